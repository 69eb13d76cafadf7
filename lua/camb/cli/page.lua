--- `--page HOST:PORT` of `camb batch` and `camb watch`: the batch on a page,
--- while it runs and after, and files that are dropped there.

local core = require "camb.core"
local items = require "camb.report.items"
local names = require "camb.batch.names"
local redact = require "camb.redact"
local source = require "camb.source"
local text = require "camb.text"

local page = {}

---@class camb.BatchPage
local Page = {}
Page.__index = Page

-- Where a batch keeps that, below the folder of the stems.
local FOLDER = "dropped"

local NOTE = "The stems are written to %s.  %s"
local COST = "CAMB.AI separates what is dropped here, and charges for it."
local FREE = "The sandbox separates what is dropped here, at no cost."

--- Start to serve it; nil and what is wrong.
---@param arguments table # of the command
---@return camb.BatchPage?
---@return camb.Error|string? problem
function page.open(arguments)
  local found, sandbox = pcall(require, "camb.sandbox")
  if not found then
    return nil, "--page needs the rock camb-sandbox"
  end
  local live = require "camb.report.live"
  local out = names.absolute(arguments.output_dir)
  local host, port = arguments.page:match("^%[?(.-)%]?:(%d+)$")
  local watched = arguments.folder -- what is dropped appears there
  local folder = watched and names.absolute(watched) or out .. "/" .. FOLDER
  local server, err = sandbox.start({ host = host, port = tonumber(port) },
    live.options("Stems in " .. out:match("[^/]*$"), NOTE:format(out,
      arguments.sandbox and FREE or COST), folder))
  if not server then
    return nil, err
  end
  return setmetatable({ live = live.new(server), server = server, out = out,
    folder = folder, is_watch = watched ~= nil, names = {}, taken = 0,
    count = 0 }, Page)
end

--- The address of the page.
---@return string
function Page:url()
  return self.server.origin .. "/"
end

function Page:close()
  self.server:stop()
end

-- The item of the file that people call `label`.
function Page:item(label)
  local is_url = source.is_url(label)
  return self.live:item(is_url and label or names.absolute(label), function()
    local item = items.new(source.stem_name({ path = label }), "intended")
    items.set_source(item, is_url and label or names.absolute(label))
    self.names[text.lower(item.name)] = true
    return item
  end)
end

local function percent(item, word, event)
  local total = event.total and event.total > 0 and event.total or nil
  item.progress = total and event.bytes / total
  item.word = total and ("%s %d %%"):format(word,
    math.floor(event.bytes * 100 / total)) or word
end

-- What an event means for its item.
local HEARD = {
  upload_started = function(item)
    items.enter(item, "submitting")
  end,
  upload_progress = function(item, event)
    percent(item, "uploading", event)
  end,
  submitted = function(item, event)
    items.enter(item, "submitted")
    item.task, item.progress = event.task_id, nil
  end,
  resumed = function(item, event)
    items.become(item, "submitted")
    item.task = event.task_id
  end,
  run_ready = function(item, event)
    items.enter(item, "finished")
    item.run, item.word = tostring(event.run_id), "separated"
  end,
  download_progress = function(item, event)
    percent(item, "downloading the " .. event.stem, event)
  end,
  retrying = function(item, event)
    item.word = "retrying: " .. event.reason
  end,
}

--- Events are shown on the page, then passed on to `listener`.
---@param listener fun(event: table)
---@return fun(event: table)
function Page:listener(listener)
  return function(event)
    local heard = event.source and HEARD[event.name]
    if heard then
      local item = self:item(event.source)
      heard(item, event)
      self.live:publish(item)
    end
    listener(event)
  end
end

--- A job has ended.
---@param ended camb.BatchItem
function Page:ended(ended)
  if not ended.source then
    return
  end
  self.count = self.count + (ended.index and 1 or 0)
  local item, err = self:item(ended.source), ended.error
  item.progress = nil
  item.task = ended.task_id or item.task
  if err then
    items.enter(item, err.kind == "unknown_outcome" and "unknown_outcome"
      or "failed")
    item.error, item.kind = err.message, err.kind
  else
    items.enter(item, "downloaded")
    item.error, item.kind = nil, nil
    items.set_stems(item, ended.stems, true)
  end
  self.live:publish(item)
end

-- A path for a file of that name whose stems do not collide with others.
local function place_for(self, name)
  name = redact.visible(name:match("[^/\\]*$")):gsub("^%.+", "")
  local base, ending = name:match("^(.+)(%.%w+)$")
  base, ending = base or (name ~= "" and name or "audio"), ending or ""
  local free, count = base, 1
  while self.names[text.lower(free)]
    or core.existing(self.folder .. "/" .. free)
    or core.stat(self.folder .. "/" .. free .. ending)
    or core.existing(self.out .. "/" .. free .. ".foreground")
    or core.existing(self.out .. "/" .. free .. ".background")
  do
    count = count + 1
    free = ("%s-%d"):format(base, count)
  end
  return self.folder .. "/" .. free .. ending
end

-- What was dropped comes under its own name, with its stems among the others.
function Page:take_dropped()
  local path, name = self.live:dropped()
  if not path then
    return nil
  end
  local place = place_for(self, name)
  local ok, problem = os.rename(path, place)
  if ok then
    return { source = place, output_dir = self.out }, place
  end
  local item = self:item(name)
  items.enter(item, "failed")
  item.error = problem
  self.live:publish(item)
end

-- The sources of `list`, which are shown at once, and what is dropped.
local function listed(self, list)
  local next_one = 1
  for _, path in ipairs(list) do
    self.live:publish(self:item(path))
  end
  return function()
    local dropped, place = self:take_dropped()
    local path = dropped or list[next_one]
    if not path then
      self:rest()
    elseif not dropped then
      next_one = next_one + 1
    end
    return path, place
  end
end

-- What appears in a folder, in which what is dropped appears.
local function appearing(self, take)
  return function()
    local _, place = self:take_dropped()
    if place then
      self.live:publish(self:item(place))
    end
    local path = take()
    return path, path
  end
end

--- The sources of a batch: those of `list`, and what is dropped.
---@param list string[]|fun(): string|false
---@return fun(): string|table|false
function Page:sources(list)
  local take = (self.is_watch and appearing or listed)(self, list)
  return function()
    local path, is_new = take()
    if path and is_new then
      self.report.total = self.report.total + 1
      self.live:publish(self:item(is_new))
    end
    self.taken = self.taken + (path and 1 or 0)
    return path or false
  end
end

--- Print its address; later, that everything is done.
---@param report camb.Progress
function Page:show(report)
  self.report = report
  report:say("listen, or drop files, at %s", self:url())
end

-- There is nothing to take.
function Page:rest()
  if self.taken > 0 and self:is_idle() and not self.has_rested then
    self.has_rested = true
    self.report:say("all done; the page stays at %s until Ctrl-C", self:url())
  end
end

--- Whether all files that came so far have ended.
---@return boolean
function Page:is_idle()
  return self.count >= self.taken
end

return page
