--- The service's four operations under their official names.  Each takes one
--- table, and returns the reply as the service sent it.

local Operation = require "camb.operation"
local check = require "camb.check"
local json = require "camb.json"
local options = require "camb.options"
local result = require "camb.result"
local source = require "camb.source"
local submit = require "camb.submit"

local audio_separation = {}

--- The service's four operations under their official names, one request each.
---@class camb.AudioSeparation
---@field package client camb.Client
local AudioSeparation = {}
AudioSeparation.__index = AudioSeparation

--- For the client.
function audio_separation.new(client)
  return setmetatable({ client = client }, AudioSeparation)
end

local function check_given(self, given, name, needed)
  self.client:check_open(4)
  local checked = check.options(given, options.of(name), 3)
  if checked[needed] == nil then
    error(("option '%s' is missing"):format(needed), 3)
  end
  return checked
end

--- POST /audio-separation.  `media_file` is a source as for client:submit.
---@param given camb.CreateAudioSeparationOptions
---@return { task_id: string }? reply
---@return camb.Error? err
function AudioSeparation:create_audio_separation(given)
  local checked = check_given(self, given, "create_audio_separation",
    "media_file")
  local checked_source = source.check(checked.media_file, 2)
  local operation = Operation.new(self.client, checked,
    source.label(checked_source))
  return operation:run(submit.run, checked_source, checked)
end

--- GET /audio-separation/{task_id}.
---@param given camb.GetAudioSeparationStatusOptions
---@return camb.Status? reply
---@return camb.Error? err
function AudioSeparation:get_audio_separation_status(given)
  local checked = check_given(self, given, "get_audio_separation_status",
    "task_id")
  return self.client:task(checked.task_id):status({ run_id = checked.run_id,
    deadline = checked.deadline, on_event = checked.on_event })
end

--- GET /audio-separation-result/{run_id}.
---@param given camb.GetAudioSeparationRunInfoOptions
---@return { foreground_audio_url: string, background_audio_url: string }? reply
---@return camb.Error? err
function AudioSeparation:get_audio_separation_run_info(given)
  local checked = check_given(self, given, "get_audio_separation_run_info",
    "run_id")
  local operation = Operation.new(self.client, checked)
  operation.run_id = json.integer(checked.run_id)
  return operation:run(result.one)
end

--- POST /audio-separation-results.
---@param given camb.GetAudioSeparationRunsResultsOptions
---@return table<integer|string, table>? reply # by run id as given
---@return camb.Error? err
function AudioSeparation:get_audio_separation_runs_results(given)
  local checked = check_given(self, given, "get_audio_separation_runs_results",
    "run_ids")
  return self.client:results(checked.run_ids, { run_id = checked.run_id,
    traceparent = checked.traceparent, deadline = checked.deadline,
    on_event = checked.on_event })
end

return audio_separation
