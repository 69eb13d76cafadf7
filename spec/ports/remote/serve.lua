-- serve.lua FOLDER: sandboxes, and a shell, for specs on another system, which ask by
-- files in FOLDER, until a file "end" is there.

local core = require "camb.core"
local sandbox = require "camb.sandbox"
local words = require "spec.ports.remote.words"
local workspace = require "spec.support.workspace"

local folder = arg[1]
local servers, methods = {}, {}

local FIELDS = { "base_url", "origin", "stem_url", "api_key", "data_dir",
  "ca_file" }

function methods.start(options)
  if options.engine then -- Wine's name of our root
    options.engine = options.engine:gsub("Z:/", "/")
  end
  local server, err = sandbox.start(options)
  if not server then
    return nil, { kind = err.kind, message = err.message, path = err.path }
  end
  servers[#servers + 1] = server
  local fields = { number = #servers }
  for _, name in ipairs(FIELDS) do
    fields[name] = server[name]
  end
  return fields
end

function methods.call(number, name, argument)
  local server = servers[number]
  return server[name](server, argument)
end

-- A shell's command, with the names that files have there.
function methods.run(command)
  local output, status = workspace.run((command:gsub("Z:/", "/")))
  return { output = output, status = status }
end

local number = 1
while not core.stat(folder .. "/end") do
  local request = words.take(("%s/%d.ask"):format(folder, number))
  if request then
    local ok, value, err = pcall(methods[request[1]], request[2], request[3],
      request[4])
    words.put(("%s/%d.say"):format(folder, number),
      { ok = ok, value = value, err = err })
    number = number + 1
  else
    core.wait(0.003)
  end
end
for _, server in ipairs(servers) do
  server:stop()
end
