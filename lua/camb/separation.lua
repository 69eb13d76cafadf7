--- From a source to its stems: the steps of one separation, in their order.  A
--- job of a batch takes the same ones, each within the batch's limits and
--- recorded in its journal (camb.batch.job).

local advice = require "camb.advice"
local Operation = require "camb.operation"
local download = require "camb.download"
local fetch = require "camb.fetch"
local result = require "camb.result"
local source = require "camb.source"
local submit = require "camb.submit"
local wait = require "camb.wait"

---@class camb.Separation: camb.Operation
---@field origin table   # the source, of source.check
---@field name string?   # of the stems; nil: the source's
---@field output_dir string?
local Separation = setmetatable({}, { __index = Operation })
Separation.__index = Separation
Separation.__close = Operation.close
-- Its task is one of this client's, or of a store's.
Separation.is_accepted = true

--- The separation of `origin` by `client`.
---@param client table
---@param options table # of "separate"
---@param origin table  # of source.check
---@return camb.Separation
function Separation.new(client, options, origin)
  local self = setmetatable(Operation.new(client, options,
    source.label(origin)), Separation)
  self.origin = origin
  return self
end

--- From its current step to the URLs of its stems and, unless told otherwise,
--- the stems.
---@return table? stems
---@return camb.Error? err
function Separation:separate()
  local ok, err, urls = true, nil, nil
  if not self.task_id then
    ok, err = self:prepare()
    if ok then
      ok, err = self:upload()
    end
  end
  if ok and not self.run_id then
    ok, err = self:wait_for_task()
  end
  if ok then
    urls, err = self:find_urls()
  end
  if urls then
    return self:fetch_stems(urls)
  end
  return nil, err
end

--- Every mistake that can be found is found before money is spent.
function Separation:prepare()
  local options = self.options
  local path = self.origin.path -- of a file
  if source.is_url(self.origin.path) then
    path = nil
    local fetched, err = fetch.run(self, self.origin)
    if not fetched then
      return nil, err
    end
    self.origin = fetched
  end
  if not options.download then
    return true
  end
  self.output_dir = options.output_dir
  self.name = options.name or source.stem_name(self.origin)
  if options.stem_name then
    options.values = require("camb.layout").values(self.name, path)
  end
  return download.reserve(self, options, self.name, self.origin.path)
end

--- Send the source.
function Separation:upload()
  return submit.run(self, self.origin, self.options)
end

--- Wait until the task ends.
function Separation:wait_for_task()
  self:be_patient(self.options)
  return wait.run(self, self.options)
end

--- The URLs of the run.
function Separation:find_urls()
  return result.one(self)
end

--- The stems that `urls` lead to.
function Separation:fetch_stems(urls)
  if self.options.download then
    return download.run(self, urls, self.options)
  end
  urls.task_id, urls.run_id = self.task_id, self.run_id
  return urls
end

--- The error of what is paid for: the same call would pay again.
function Separation:explain(err)
  if err.task_id then
    err.retryable = false
    err.message = err.message
      .. (self.run_id and self.name and advice.download(self) or "")
  end
end

--- For `run`: separate, and tell what has come of it.
function Separation:finish()
  local stems, err = self:separate()
  if stems then
    self:emit_finished(stems)
  else
    self:explain(err)
  end
  return stems, err
end

return Separation
