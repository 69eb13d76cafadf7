-- camb in other Luas than the one that runs these specs: Lua 5.1, LuaJIT, and
-- LuaJIT inside of nginx.  The client's C is built for Lua 5.1, whose binary
-- interface LuaJIT has, too.

local audio = require "spec.support.audio"
local cjson = require "cjson"
local ports = require "spec.support.ports"
local sandbox = require "camb.sandbox"
local workspace = require "spec.support.workspace"

local BUILD = os.getenv "BUILD" or "build"
local CLEAN = "env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS -u LUA_PATH -u LUA_CPATH "

local here, build, folder, server

setup(function()
  here = workspace.run("pwd -P"):match("[^\n]+")
  folder = workspace.folder()
  local output, status = workspace.run(("%s make -s core sandbox LUA=lua5.1 "
    .. "BUILD='%s/lua5.1'"):format(CLEAN, BUILD))
  assert(status == 0, output)
  build = workspace.run(("cd '%s' && pwd -P"):format(BUILD)):match("[^\n]+")
end)

teardown(function()
  workspace.remove(folder)
end)

before_each(function()
  server = assert(sandbox.start({}))
end)

after_each(function()
  server:stop()
end)

local COMMON = [[
  local camb = require "camb"
  local FAST = { download = false, interval = 0.05, max_attempts = 1000 }
  local MIX = "spec/fixtures/mix.flac"
]]

local function environment()
  return ("%s LUA_PATH='%s/lua/?.lua;%s/lua/?/init.lua;;' "
    .. "LUA_CPATH='%s/lua5.1/lib/lua5.1/?.so;;'"):format(CLEAN, here, here,
    build)
end

-- What a program in `lua` prints, where the service is `server`.
local function run(lua, code, before)
  local path = workspace.write(folder .. "/program.lua", COMMON .. code)
  return (workspace.run(("%s timeout 120 %s CAMB_API_KEY=%s CAMB_BASE_URL=%s "
    .. "%s %s"):format(before or "", environment(), server.api_key,
    server.base_url, lua, path)))
end

for _, lua in ipairs({ "lua5.1", "luajit" }) do
  describe("in " .. lua .. " #build", function()
    local function it_does(what, fn)
      it(what, function()
        if select(2, workspace.run("command -v " .. lua)) ~= 0 then
          return pending(lua .. " is not installed")
        end
        fn()
      end)
    end

    it_does("jobs separate side by side", function()
      assert.equal("2\n", run(lua, [[
        local client, ended = camb.client(), 0
        camb.run(function()
          for _ = 1, 2 do
            camb.spawn(function()
              assert(client:separate(MIX, FAST))
              ended = ended + 1
            end)
          end
        end)
        print(ended)
        client:close()]]))
    end)

    it_does("the documentation's examples say why they fail", function()
      local count = 0
      for _, path in ipairs({ "README.md", "doc/guide.md", "doc/from-python.md",
        "doc/errors.md", "doc/sandbox.md", "examples/tutorial.lua" })
      do
        local text = workspace.read(path)
        if path:find("%.lua$") then
          text = "```lua\n" .. text .. "```"
        end
        for block in text:gmatch("```lua\n(.-)```") do
          if block:find("mix.", 1, true) and block:find("camb.sandbox", 1, true)
            == nil or path:find("examples", 1, true)
          then
            local said = run(lua, (block:gsub("mix%.(%a+)", "none.%1")))
            assert.is_nil(said:find("bad argument", 1, true), said)
            count = count + (said:find("file: the source ", 1, true) and 1 or 0)
          end
        end
      end
      assert.is_true(count > 7, count)
    end)

    it_does("each example says why its sandbox does not start", function()
      local count = 0
      for _, name in ipairs(workspace.list("examples")) do
        local path = "examples/" .. name
        if name:find("%.lua$")
          and workspace.read(path):find("camb.sandbox", 1, true)
        then
          local said = workspace.run(("%s env -u CAMB_API_KEY TMPDIR=%s/none "
            .. "timeout 60 %s %s FOLDER DIR"):format(environment(), folder,
            lua, path))
          local lacks = said:match("module '([%w.]+)' not found")
          assert.truthy(lacks and not lacks:find("^camb") or said:find(
            ("file: cannot make a folder in '%s/none': "):format(folder), 1,
            true), said)
          count = count + (lacks and 0 or 1)
        end
      end
      assert.is_true(count > 9, count)
    end)

    it_does("a store that fails is reported by its error", function()
      assert.matches("^file: the store .* failed: .*camb_jobs", run(lua, ([[
        local store = require "camb.store"
        local path = %q
        local jobs, problem = store.open(path)
        if not jobs then
          print(problem)
          os.exit(1)
        end
        local connection = require("DBI").Connect("SQLite3", path)
        connection:autocommit(true)
        connection:prepare("DROP TABLE camb_jobs"):execute()
        connection:close()
        local _, err = pcall(function()
          for _ in jobs:each() do end
        end)
        print(err)]]):format(folder .. "/jobs.db")))
    end)

    it_does("clients that were dropped without close give their descriptors "
      .. "back", function()
        assert.equal("ended\n", run(lua, [[
          for _ = 1, 300 do
            local _, err = camb.client({ retries = 0 }):task("t"):status()
            assert(err.kind == "not_found", err)
          end
          print("ended")]], "ulimit -n 64;"))
      end)
  end)
end

-- Debian has lua-http for this Lua, and not for 5.4.
describe("in Lua 5.1, the example of an HTTP service #build", function()
  local pid, base

  local function ask(words)
    return (workspace.run(("cd '%s' && curl -sS -m 60 %s"):format(folder,
      (words:gsub("BASE", base)))))
  end

  before_each(function()
    local port = ports.free()
    base = "http://127.0.0.1:" .. port
    pid = workspace.run(("exec %s CAMB_API_KEY=%s CAMB_BASE_URL=%s lua5.1 "
      .. "examples/http_service.lua %d %s/out > %s/log 2>&1 & echo $!"):format(
      environment(), server.api_key, server.base_url, port, folder, folder))
      :match "%d+"
    workspace.run(("mkdir -p '%s/out'"):format(folder))
    audio.cut("examples/mix.flac", 6, 2, folder .. "/take.wav")
    workspace.wait_for("the service", function()
      return (workspace.read(folder .. "/log") or ""):find "listening"
    end)
  end)

  after_each(function()
    workspace.stop(pid)
  end)

  it("takes a recording and gives its stems", function()
    local reply = cjson.decode(ask "--data-binary @take.wav BASE/take.wav")
    for _, stem in ipairs { "foreground", "background" } do
      ask(("-o %s.flac BASE%s"):format(stem, reply[stem]))
    end
    assert.is_nil((audio.compare(folder .. "/take.wav",
      folder .. "/foreground.flac", folder .. "/background.flac")))
  end)

  it("gives nothing else", function()
    for _, path in ipairs { "/", "/stems/", "/stems/../log", "/out/x.flac" } do
      assert.equal("404", ask(("-o reply -w '%%{http_code}' --path-as-is "
        .. "BASE%s"):format(path)), path)
    end
  end)
end)

describe("in Lua 5.1, where a job cannot wait inside of C #build", function()
  local function problem_of(body)
    return run("lua5.1", ([[
      local client = camb.client()
      local function work()
        %s
      end
      print(pcall(camb.run, work))
      -- and all goes on
      camb.run(function()
        assert(client:separate(MIX, FAST))
      end)
      print(client.waiting)
      client:close()]]):format(body))
  end

  it("a call inside of pcall says to make it without", function()
    local text = problem_of([[
        local ok, problem = pcall(client.separate, client, MIX, FAST)
        error(problem, 0)]])
    assert.matches("^false\t%S+program.lua:%d+: pcall cannot wait inside a "
      .. "job in Lua 5.1: call the function directly: failures come back "
      .. "as nil and an error\n0\n$", text)
    assert.equal(1, server:stats().uploads) -- of what went on
  end)

  it("a for loop over a batch says to call it", function()
    local text = problem_of(([[
        for item in client:batch({ MIX }, { output_dir = "%s/for" }) do
          assert(item.stems)
        end]]):format(folder))
    assert.matches("program.lua:%d+: a for loop cannot wait inside a job in "
      .. "Lua 5.1: call the iterator instead, as in `local item = batch%(%)`"
      .. "\n0\n$", text)
    assert.equal(1, server:stats().uploads)
  end)

  it("a batch that is called works", function()
    assert.equal("true\n0\n", problem_of(([[
        local batch = client:batch({ MIX }, { output_dir = "%s/out" })
        local item = batch()
        while item do
          assert(item.stems, tostring(item.error))
          item = batch()
        end
        batch:close()]]):format(folder)))
  end)

  it("a sleep, a join and a run say so, too", function()
    for _, call in ipairs({ "camb.sleep, 0.01", "camb.run, function() end",
      "camb.spawn(camb.sleep, 0.01).join, camb.spawn(camb.sleep, 0.01)" }) do
      local text = problem_of(("error(select(2, pcall(%s)), 0)"):format(call))
      assert.matches("pcall cannot wait inside a job in Lua 5.1", text)
      assert.matches("\n0\n$", text)
    end
  end)
end)

describe("in a worker of nginx #build", function()
  local HEAD = [[
    daemon off; master_process off; worker_processes 1;
    error_log FOLDER/error.log notice; pid FOLDER/pid;
    load_module UNPACKED/usr/lib/nginx/modules/ndk_http_module.so;
    load_module UNPACKED/usr/lib/nginx/modules/ngx_http_lua_module.so;
    env CAMB_BASE_URL; env CAMB_API_KEY;
    events { worker_connections 64; }
    http {
      access_log off;
      client_body_temp_path FOLDER/body; proxy_temp_path FOLDER/proxy;
      fastcgi_temp_path FOLDER/fastcgi; uwsgi_temp_path FOLDER/uwsgi;
      scgi_temp_path FOLDER/scgi;
      lua_package_path "HERE/lua/?.lua;HERE/lua/?/init.lua;UNPACKED/usr/share/lua/5.1/?.lua;;";
      lua_package_cpath "BUILD/lua5.1/lib/lua5.1/?.so;;";
  ]]

  local function fill_in(text, places)
    return (text:gsub("%u%u%u+", places))
  end

  local function start(http, unpacked, port)
    local conf = fill_in(HEAD .. http .. "}", { FOLDER = folder, HERE = here,
      UNPACKED = unpacked, BUILD = build, PORT = port })
    workspace.write(folder .. "/nginx.conf", conf)
    local libraries = workspace.run(("find %s -name 'lib*.so*' -printf '%%h\\n' "
      .. "| sort -u | paste -sd :"):format(unpacked)):match("%S+")
    return workspace.run(("%s LD_LIBRARY_PATH=%s CAMB_API_KEY=%s "
      .. "CAMB_BASE_URL=%s %s/usr/sbin/nginx -p %s -c %s/nginx.conf > %s/log "
      .. "2>&1 & echo $!"):format(CLEAN, libraries, server.api_key,
      server.base_url, unpacked, folder, folder, folder)):match("%d+")
  end

  local function log()
    return (workspace.read(folder .. "/log") or "")
      .. (workspace.read(folder .. "/error.log") or "")
  end

  -- Four requests at once, of an nginx with these lines in "http": their
  -- replies.
  local function ask(http)
    local unpacked, port = build .. "/unpacked", ports.free()
    local url = ("http://127.0.0.1:%d"):format(port)
    local pid = start(http, unpacked, port)
    local replies
    local ok, problem = pcall(function()
      workspace.wait_for("nginx", function()
        assert(workspace.is_running(pid), "nginx has ended")
        return select(2, workspace.run("curl -s -o /dev/null " .. url)) == 0
      end)
      replies = workspace.run(("for i in 1 2 3 4; do curl -s --max-time 60 "
        .. "%s/separate & done; wait"):format(url))
      assert(workspace.is_running(pid), "nginx has ended")
    end)
    workspace.stop(pid)
    assert(ok, tostring(problem) .. "\n" .. log())
    return replies
  end

  local function it_does(what, fn)
    it(what, function()
      if not workspace.read(build .. "/unpacked/usr/sbin/nginx") then
        return pending("nginx is not unpacked: make test-deps")
      end
      fn()
    end)
  end

  it_does("requests that separate at once do not meet", function()
    assert.equal(("stems\n"):rep(4), ask([[
      server {
        listen 127.0.0.1:PORT;
        location = /separate { content_by_lua_block {
          local camb = require "camb"
          local client = camb.client()
          local job = camb.spawn(client.separate, client,
            "HERE/spec/fixtures/mix.flac",
            { download = false, interval = 0.05, max_attempts = 1000 })
          repeat
            client:step(0)
            ngx.sleep(0.003)
          until job:is_done()
          local stems, err = job:join()
          client:close()
          ngx.say(stems and "stems" or tostring(err))
        } }
      }]]))
    assert.equal(4, server:stats().uploads)
  end)

  it_does("a client that init_worker_by_lua opens serves every request",
    function()
      assert.equal(("stems\n"):rep(4), ask([[
        init_worker_by_lua_block {
          local camb = require "camb"
          client = camb.client()
          local function step(premature)
            while not premature and not ngx.worker.exiting() do
              client:step(0)
              ngx.sleep(0.003)
            end
          end
          assert(ngx.timer.at(0, step))
        }
        server {
          listen 127.0.0.1:PORT;
          location = /separate { content_by_lua_block {
            local job = require("camb").spawn(client.separate, client,
              "HERE/spec/fixtures/mix.flac",
              { download = false, interval = 0.05, max_attempts = 1000 })
            repeat
              ngx.sleep(0.003)
            until job:is_done()
            local stems, err = job:join()
            ngx.say(stems and "stems" or tostring(err))
          } }
        }]]))
      assert.equal(4, server:stats().uploads)
    end)

  it_does("requests wait by its own loop, and start jobs that outlive them",
    function()
      assert.equal(("stems stems\n"):rep(4), ask([[
        init_worker_by_lua_block {
          client = require("camb").client({ loop = require "camb.loop.ngx" })
        }
        server {
          listen 127.0.0.1:PORT;
          location = /separate { content_by_lua_block {
            local FAST = { download = false, interval = 0.05,
              max_attempts = 1000 }
            local job = require("camb.async.scheduler").spawn_for(client,
              client.separate, client, "HERE/spec/fixtures/mix.flac", FAST)
            local stems, err = client:separate("HERE/spec/fixtures/mix.flac",
              FAST)
            local others, problem = job:join()
            ngx.say(stems and "stems" or tostring(err), " ",
              others and "stems" or tostring(problem))
          } }
        }]]))
      assert.equal(8, server:stats().uploads)
    end)
end)
