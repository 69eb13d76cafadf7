--- What most specs play on: a sandbox, a client of it, and a folder.

local camb = require "camb"
local sandbox = require "camb.sandbox"
local workspace = require "spec.support.workspace"

local stage = {}

--- A client of `server`, with more options.
function stage.client(server, options)
  options = options or {}
  options.base_url = server.base_url
  options.api_key = options.api_key or server.api_key
  return camb.client(options)
end

--- Open all three; `server_options` and `client_options` may be nil.
function stage.open(server_options, client_options)
  local server = assert(sandbox.start(server_options or {}))
  return server, stage.client(server, client_options), workspace.folder()
end

--- The reverse.
function stage.close(server, client, folder)
  client:close()
  server:stop()
  workspace.remove(folder)
end

return stage
