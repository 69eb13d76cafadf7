--- A PostgreSQL server of our own: a cluster in a temporary folder, on a port
--- of loopback that nobody else has, with the settings that it comes with.

local busted = require "busted"
local core = require "camb.core"
local workspace = require "spec.support.workspace"

local postgres = {}

local PASSWORD = "s3cret/of%spec"
local ESCAPED = PASSWORD:gsub("%W", function(mark)
  return ("%%%02X"):format(mark:byte())
end)

-- PostgreSQL refuses to run as root: then all of it is done by its own user.
local function as_server(command)
  if workspace.run("id -u"):match("^0") then
    return ("setpriv --reuid=postgres --regid=postgres --clear-groups "
      .. "env HOME=/tmp %s"):format(command)
  end
  return command
end

local function find_bin()
  return workspace.run("ls -d /usr/lib/postgresql/*/bin | sort -V | tail -1")
    :match("^(/%S+)\n")
end

local Server = {}
Server.__index = Server

-- A server that is stopped hard leaves at once, as after a crash.
function Server:stop(mode)
  workspace.run(as_server(("%s/pg_ctl -D %s/data -m %s -w stop"):format(
    self.bin, self.folder, mode or "fast")))
end

local function start_once(self)
  local words, status = workspace.run(as_server(("%s/pg_ctl -D %s/data -w -l "
    .. "%s/log -o '-p %s -k %s -c listen_addresses=127.0.0.1' start"):format(
    self.bin, self.folder, self.folder, self.port, self.folder)))
  return status == 0, words
end

--- Start, the first time on a port that turns out to be free.
function Server:start()
  local has_port = self.port ~= nil
  local started, words
  for _ = 1, has_port and 1 or 10 do
    self.port = has_port and self.port or math.random(20000, 32000)
    started, words = start_once(self)
    if started then
      break
    end
  end
  return started, words
end

--- Send `signal` ("STOP", "CONT") to the server and to all of its processes.
function Server:signal(signal)
  workspace.run(("server=$(head -1 %s/data/postmaster.pid); kill -%s $server "
    .. "$(ps -o pid= --ppid $server)"):format(self.folder, signal))
end

function Server:restart(mode)
  self:stop(mode)
  assert(self:start())
end

--- What leads `sql` to the newest schema.
function Server:preamble()
  return self.schema and ("SET search_path = %s; "):format(self.schema) or ""
end

--- What `sql` prints.
function Server:query(sql)
  workspace.write(self.folder .. "/query.sql", self:preamble() .. sql)
  return (workspace.run(("PGPASSWORD='%s' %s/psql -h 127.0.0.1 -p %s -U camb "
    .. "-d postgres -qAtX -v ON_ERROR_STOP=1 -f %s/query.sql"):format(PASSWORD,
    self.bin, self.port, self.folder)))
end

--- The URL of a new, empty schema: a database of its own takes a second.
function Server:create()
  self.created = (self.created or 0) + 1
  self.schema = ("jobs%d"):format(self.created)
  local words = self:query("CREATE SCHEMA " .. self.schema)
  assert(words == "", words)
  return ("postgres://camb:%s@127.0.0.1:%s/postgres"
    .. "?options=-csearch_path%%3D%s"):format(ESCAPED, self.port, self.schema)
end

-- The database that has no schema of a spec's.
local function url_of(port)
  return ("postgres://camb:%s@127.0.0.1:%d/postgres"):format(ESCAPED, port)
end

--- A replica that follows the server and takes no writes: its url, and stop().
function Server:replica()
  local folder = self.folder .. "/replica"
  local port = math.random(20000, 32000)
  local words, status = workspace.run(("%s && %s"):format(
    as_server(("env PGPASSWORD='%s' %s/pg_basebackup -h 127.0.0.1 -p %d -U camb "
    .. "-D %s -R -X stream -c fast"):format(PASSWORD, self.bin, self.port,
    folder)), as_server(("%s/pg_ctl -D %s -w -l %s.log -o '-p %d -k %s -c "
    .. "listen_addresses=127.0.0.1' start"):format(self.bin, folder, folder,
    port, self.folder))))
  assert(status == 0, words)
  return {
    url = url_of(port),
    stop = function()
      workspace.run(as_server(("%s/pg_ctl -D %s -m immediate -w stop"):format(
        self.bin, folder)))
    end,
  }
end

local POOLER = [[
[databases]
* = host=127.0.0.1 port=%d
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = scram-sha-256
auth_file = %s/users
pool_mode = %s
]]

--- A pgbouncer before the server, in `mode`: its url, and stop().
function Server:pool(mode)
  local folder = self.folder .. "/pool"
  local port = math.random(20000, 32000)
  workspace.run(("mkdir -p %s; chown postgres %s"):format(folder, folder))
  workspace.write(folder .. "/users", ('"camb" "%s"\n'):format(PASSWORD))
  workspace.write(folder .. "/ini", POOLER:format(self.port, port, folder,
    mode))
  local pid = workspace.run(as_server(("pgbouncer -q %s/ini >%s/log 2>&1 & "
    .. "echo $!"):format(folder, folder))):match("%d+")
  local pooler = {
    url = url_of(port),
    stop = function()
      workspace.run("kill " .. pid)
    end,
  }
  workspace.wait_for("pgbouncer", function()
    return select(2, workspace.run(("PGPASSWORD='%s' %s/psql -h 127.0.0.1 "
      .. "-p %d -U camb -d postgres -c 'SELECT 1'"):format(PASSWORD, self.bin,
      port))) == 0
  end)
  return pooler
end

-- The shell waits for the end of its input, which comes when this process
-- ends, in whatever way: then it stops the server and leaves nothing.
local function keep(self)
  return assert(io.popen(("trap '' INT HUP; cat > /dev/null; "
    .. "%s > /dev/null 2>&1; rm -rf %s"):format(as_server(
    ("%s/pg_ctl -D %s/data -m immediate -w stop"):format(self.bin,
    self.folder)), self.folder), "w"))
end

--- Stop and leave nothing.
function Server:remove()
  self.keeper:close()
end

--- Start one; nil and a reason where this machine cannot.
function postgres.start()
  local bin = find_bin()
  if not bin then
    return nil, "PostgreSQL is not installed"
  end
  local self = setmetatable({
    bin = bin,
    folder = workspace.folder(),
    password = PASSWORD,
  }, Server)
  self.keeper = keep(self)
  workspace.write(self.folder .. "/password", PASSWORD)
  local words, status = workspace.run(("chmod 755 %s; mkdir %s/data; "
    .. "if [ $(id -u) = 0 ]; then chown -R postgres %s; fi; %s"):format(
    self.folder, self.folder, self.folder, as_server(("%s/initdb -D %s/data "
    .. "-U camb --pwfile=%s/password -A scram-sha-256 --no-locale -E UTF8 -N")
    :format(bin, self.folder, self.folder))))
  local started
  if status == 0 then
    started, words = self:start()
    self.url = started and url_of(self.port)
  end
  if not started then
    self:remove()
    return nil, "PostgreSQL does not start: " .. words
  end
  return self
end

--- A server for the specs of the block that calls this, which are pending without
--- one.
---@return table server # once they run
function postgres.for_block()
  local server, started, reason = {}, nil, nil
  busted.setup(function()
    started, reason = postgres.start()
    setmetatable(server, { __index = started })
  end)
  busted.teardown(function()
    if started then
      started:remove()
    end
  end)
  busted.before_each(function()
    if not started then
      busted.pending("a server: " .. reason)
    end
  end)
  return server
end

--- Wait for `condition` to hold, `seconds` at most.
function postgres.wait_for(condition, seconds)
  local give_up = core.now() + seconds
  while not condition() do
    assert(core.now() < give_up, "it did not come")
    core.wait(0.02)
  end
end

--- For a block of specs that fail statements in their own process: a server until
--- the block ends; or nil, and the block is pending.  There is none under a
--- sanitizer, as LuaDBI frees neither a connection that was refused nor the result
--- of a statement that failed, and no code of ours but Lua is in this.
---@return table? server # at once
function postgres.for_block_unless_sanitized()
  local server, reason = nil, "LuaDBI's own leaks are none of this project's"
  if not os.getenv("SANITIZER") then
    server, reason = postgres.start()
  end
  if not server then
    busted.pending("a server: " .. reason)
    return nil
  end
  busted.teardown(function()
    server:remove()
  end)
  return server
end

return postgres
