--- A task: one separation that the service has accepted.

local api = require "camb.api"
local Operation = require "camb.operation"
local check = require "camb.check"
local operations = require "camb.operations"
local options = require "camb.options"
local wait = require "camb.wait"

local task = {}

--- A separation that the service has accepted, and that is paid for.
---@class camb.Task
---@field id string      # opaque and case-sensitive, exactly as it came
---@field source string? # what was sent, as the caller named it
---@field client camb.Client # that asks for it
---@field is_accepted boolean? # submitted by this client
local Task = {}
Task.__index = Task
Task.__name = "camb.Task"

function Task:__tostring()
  return ("camb.Task (%s)"):format(self.id)
end

--- For the client: the task `id`; with the `source` that it has just sent.
function task.new(client, id, source)
  return setmetatable({ client = client, id = id, source = source,
    is_accepted = source ~= nil or nil, waits = {} }, Task)
end

local function begin(self, checked)
  local operation = Operation.new(self.client, checked, self.source)
  operation.task_id = self.id
  return operation
end

local function ask(operation, run_id)
  return operation:request("status", api.read_status,
    operations.request("status", operation.client.base_url,
      { task_id = operation.task_id, run_id = run_id }))
end

--- Ask for the task's state once.
---@param given camb.StatusOptions?
---@return camb.Status? status
---@return camb.Error? err
function Task:status(given)
  self.client:check_open(3)
  local checked = check.options(given, options.of("status"), 2)
  return begin(self, checked):run(ask, checked.run_id)
end

--- Poll until the task ends.  Running out of attempts or time is an error of
--- kind "timeout" that holds the task id; the task may still finish.
---@param given camb.WaitOptions?
---@return { id: integer|string, task_id: string, message: string? }? run # and
---  the service's remark
---@return camb.Error? err
function Task:wait(given)
  self.client:check_open(3)
  local checked = check.options(given, options.of("wait"), 2)
  local operation = begin(self, checked)
  operation.is_accepted = self.is_accepted
  self.waits[operation] = true
  local run, err = operation:run(wait.run, checked)
  self.waits[operation] = nil
  return run, err
end

--- Cancel the waits for this task.  The service cannot cancel it: the task
--- continues there and is charged, as the error of each wait says.
function Task:cancel()
  for operation in pairs(self.waits) do
    operation:cancel()
  end
end

return task
