--- camb: separate recordings into foreground and background with CAMB.AI.
---
---     local camb = require "camb"
---     local stems, err = camb.separate("mix.wav", { output_dir = "stems" })

local check = require "camb.check"
local client = require "camb.client"
local options = require "camb.options"
local scheduler = require "camb.async.scheduler"
local source = require "camb.source"

local camb = {}

--- The version of this module, and of the whole release.
camb.VERSION = "0.1.0"

--- Open a client.  Its jobs share a key and a pool of connections.
---@param given camb.ClientOptions?
---@return camb.Client
function camb.client(given)
  local one = client.new(check.options(given, options.of("client"), 2), 2)
  return one -- no tail call: an error has to find the caller's line
end

local function split(checked)
  local of_client = options.of("client")
  local for_client, for_call = {}, {}
  for name, value in pairs(checked) do
    if of_client[name] and name ~= "on_event" then
      for_client[name] = value
    else
      for_call[name] = value
    end
  end
  return for_client, for_call
end

--- Upload a source, poll its task and download its stems, with a client for
--- this call alone.  In a script it blocks; in a job of camb.run, or of the
--- loop, it yields.
---@param given_source camb.Source
---@param given camb.ClientOptions|camb.SeparateOptions|nil
---@return table? stems # foreground, background: paths; the URLs, task_id,
---  run_id
---@return camb.Error? err
function camb.separate(given_source, given)
  local for_client, for_call = split(check.options(given,
    options.of("one_call"), 2))
  client.check_name(for_call, 2)
  local origin = source.check(given_source, 2)
  local one = client.new(for_client, 2)
  return client.separate(one, origin, for_call, true)
end

camb.run = scheduler.run
camb.spawn = scheduler.spawn
camb.sleep = scheduler.sleep

return camb
