--- camb: separate recordings into foreground and background with CAMB.AI.
---
---     local camb = require "camb"
---     local stems, err = camb.separate("mix.wav", { output_dir = "stems" })

local client = require "camb.client"
local options = require "camb.options"
local scheduler = require "camb.scheduler"
local schema = require "camb.schema"
local source = require "camb.source"

local camb = {}

--- The version of this module.
camb.VERSION = "dev"

--- Open a client.  Its jobs share one key and one pool of connections.
---@param given table? # api_key, base_url, timeout, connect_timeout,
---  stall_timeout, reply_timeout, retries, max_connections,
---  requests_per_second, proxy, ca_file, user_agent, headers, on_event, loop
---@return camb.Client
function camb.client(given)
  local one = client.new(options.check(given, schema.client, 2), 2)
  return one -- no tail call: an error has to find the caller's line
end

local function split(checked)
  local for_client, for_call = {}, {}
  for name, value in pairs(checked) do
    if schema.client[name] and name ~= "on_event" then
      for_client[name] = value
    else
      for_call[name] = value
    end
  end
  return for_client, for_call
end

local BOTH = options.join(schema.client, schema.separate)

--- One call: upload, poll, download.  In a script it blocks; in a job of
--- camb.run, or of the loop, it leaves the time to others.
---@param given_source camb.Source
---@param given table? # the options of camb.client and of client:separate
---@return table? stems # foreground, background: paths; the URLs, task_id,
---  run_id
---@return camb.Error? err
function camb.separate(given_source, given)
  local for_client, for_call = split(options.check(given, BOTH, 2))
  client.check_name(for_call, 2)
  local checked_source = source.check(given_source, 2)
  local one = client.new(for_client, 2)
  return client.separate(one, checked_source, for_call, true)
end

camb.run = scheduler.run
camb.spawn = scheduler.spawn
camb.sleep = scheduler.sleep

return camb
