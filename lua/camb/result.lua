--- From a run id to the URLs of its stems; one run at a time, or many.

local api = require "camb.api"
local json = require "camb.json"
local operations = require "camb.operations"

local result = {}

-- No limit is documented; this keeps replies far below ours.
local IDS_PER_REQUEST = 500

--- The URLs of the run `operation.run_id`.
---@return table? urls # foreground_audio_url, background_audio_url, and more
---@return camb.Error? err
function result.one(operation)
  local urls, err = operation:request("result", api.read_result,
    operations.request("result", operation.client.base_url,
      { run_id = operation.run_id }))
  if not urls then
    return nil, err
  end
  urls.run_id = operation.run_id
  return urls
end

local function some(operation, run_ids, options, map)
  local results, err = operation:request("results", api.read_results,
    operations.request("results", operation.client.base_url, {
      run_ids = run_ids,
      run_id = options.run_id, traceparent = options.traceparent }))
  if not results then
    return nil, err
  end
  for _, run_id in ipairs(run_ids) do
    map[run_id] = results[json.digits(run_id)]
  end
  return map
end

--- The URLs of many runs, by run id; runs that the service does not know are
--- not in the map.
---@return table? map
---@return camb.Error? err
function result.many(operation, run_ids, options)
  local map = {}
  for first = 1, #run_ids, IDS_PER_REQUEST do
    local piece = {}
    for i = first, math.min(first + IDS_PER_REQUEST - 1, #run_ids) do
      piece[#piece + 1] = run_ids[i]
    end
    local ok, err = some(operation, piece, options, map)
    if not ok then
      return nil, err
    end
  end
  return map
end

return result
