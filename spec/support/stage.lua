--- What most specs play on: a sandbox, a client of it, and a folder.

local camb = require "camb"
local sandbox = require "camb.sandbox"
local store = require "camb.store"
local takes = require "spec.support.takes"
local workspace = require "spec.support.workspace"

local stage = {}

--- The fields of `defaults`, but those of `more` where it has them.
---@param defaults table
---@param more table?
---@return table # a new one
function stage.with(defaults, more)
  local all = {}
  for _, given in ipairs({ defaults, more }) do
    for name, value in pairs(given) do
      all[name] = value
    end
  end
  return all
end

--- A client of `server`, with more options.
function stage.client(server, options)
  return camb.client(stage.with({ base_url = server.base_url,
    api_key = server.api_key }, options))
end

--- Open all three; `server_options` and `client_options` may be nil.
function stage.open(server_options, client_options)
  local server = assert(sandbox.start(server_options or {}))
  return server, stage.client(server, client_options), workspace.folder()
end

--- A sandbox that has separated `source`: with the run, and what it knows of the
--- task.
function stage.separated(source, server_options)
  local server = assert(sandbox.start(server_options or {}))
  local client = stage.client(server)
  local task = assert(client:submit(source))
  local run = assert(task:wait({ interval = 0.1, max_attempts = 1000 }))
  client:close()
  return server, run, server:task(task.id)
end

--- Close a client whose sandbox stays.
function stage.leave(server, client, folder)
  client:close()
  server:clear_faults()
  workspace.remove(folder)
end

-- For each spec of a block what `open` returns, which `assign` gets.
local function for_each(open, assign)
  local busted = require "busted"
  local server, client, folder
  busted.before_each(function()
    server, client, folder = open()
    assign(server, client, folder)
  end)
  busted.after_each(function()
    stage.close(server, client, folder)
  end)
end

--- For a block of specs: what `open` returns for each of them, which `assign`
--- gets.
function stage.for_each(server_options, assign)
  for_each(function()
    return stage.open(server_options)
  end, assign)
end

--- For a block of specs on stems: a sandbox that has separated `source`, and for
--- each spec a client and a folder.  `assign` gets them as (server, run, known,
--- client, folder, download): once by `setup`, without the last three, and before
--- each.  download(options) brings the stems into the folder, named x.
---@param options { server: table?, client: table? }
function stage.for_stems(source, options, assign)
  local busted = require "busted"
  local server, run, known, client, folder
  busted.setup(function()
    server, run, known = stage.separated(source, options.server)
    assign(server, run, known)
  end)
  busted.teardown(function()
    server:stop()
  end)
  busted.before_each(function()
    folder = workspace.folder()
    client = stage.client(server, options.client)
    assign(server, run, known, client, folder, function(given)
      return client:download(run, stage.with({ output_dir = folder, name = "x" },
        given))
    end)
  end)
  busted.after_each(function()
    stage.leave(server, client, folder)
  end)
end

--- A sandbox and a client of it for many small recordings, whose engine is in
--- `folder`.
function stage.open_batch(folder, server_options, client_options)
  local server = assert(sandbox.start(stage.with({
    engine = takes.engine(folder), workers = 4 }, server_options)))
  return server, stage.client(server, client_options)
end

--- For a block of specs: a folder and what `open_batch` returns for each of them;
--- `assign` gets (server, client, folder).
function stage.for_batches(client_options, assign)
  for_each(function()
    local folder = workspace.folder()
    local server, client = stage.open_batch(folder, nil, client_options)
    return server, client, folder
  end, assign)
end

--- Every request of an operation, in the order in which they arrived.
function stage.requests(server, method, pattern)
  local found = {}
  for _, request in ipairs(server:requests()) do
    if request.method == method and request.path:find(pattern) then
      found[#found + 1] = request
    end
  end
  return found
end

--- How many jobs of each state are in the store at `path`.
function stage.counts(path)
  local jobs = assert(store.open(path))
  local counts = assert(jobs:count())
  jobs:close()
  return counts
end

--- The library that a program loads first (LD_PRELOAD).  Under a sanitizer, which
--- is that itself, the spec is `pending`.
---@param pending function # busted's
function stage.preload(pending)
  if os.getenv("SANITIZER") then
    pending("the sanitizer is preloaded itself")
  end
  return assert(package.searchpath("spec.support.system", package.cpath))
end

--- Call `fn` in a job; its tasks end only after five turns of another one.
--- Returns how many there were until `fn` had returned.
function stage.count_turns(server, fn)
  local ticks, ended = 0, false
  server:fault({ step = "status", reply = { status = "PENDING" },
    times = math.huge })
  camb.run(function()
    camb.spawn(function()
      while not ended do
        camb.sleep(0.005)
        ticks = ticks + 1
        if ticks == 5 then
          server:clear_faults()
        end
      end
    end)
    fn()
    ended = true
  end)
  return ticks
end

--- The reverse of `open`.
function stage.close(server, client, folder)
  client:close()
  server:stop()
  workspace.remove(folder)
end

return stage
