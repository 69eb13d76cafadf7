--- The page of `camb serve`: what the sandbox separates, whoever sent it, and
--- files that are dropped there.

local camb = require "camb"
local core = require "camb.core"
local items = require "camb.report.items"
local live = require "camb.report.live"
local redact = require "camb.redact"
local sandbox_core = require "camb.sandbox.core"
local source = require "camb.source"

local served_tasks = {}

-- Seconds between two looks at the tasks, and for what was dropped.
local LOOK = 0.1
-- Tasks of earlier runs that are shown.
local MOST = 300

local Shown = {}
Shown.__index = Shown

local function new_item(task)
  local name = task.file_name
    and source.stem_name({ filename = task.file_name }) or task.task_id
  local item = items.new(name, "submitted")
  item.task, item.mixture, item.folder = task.task_id, task.input, false
  item.source = task.file_name
  if task.created > 0 then
    items.note(item, task.created, "submitted")
  end
  return item
end

local function show_end(item, task, is_new)
  local state = task.status == "SUCCESS" and "fetched" or "failed"
  if not is_new then
    items.note(item, core.time(), state)
  end
  items.become(item, state)
  item.run = task.run_id and tostring(task.run_id)
  if state == "failed" then
    item.kind = task.exception_reason
    item.error = task.message or task.exception_reason or task.status
  else
    items.set_stems(item, task)
  end
end

function Shown:show(task)
  local is_new = not self.live:item(task.task_id)
  local item = self.live:item(task.task_id, function()
    return new_item(task)
  end)
  if task.status == "PENDING" then
    item.word = task.has_begun and "being separated" or "waiting"
  else
    show_end(item, task, is_new)
  end
  self.live:publish(item)
  return task.status ~= "PENDING"
end

-- The tasks that were not seen before; of earlier runs, the last ones.
local function new_tasks(self)
  local list = {}
  for _, id in ipairs(sandbox_core.tasks(self.server, self.seen + 1)) do
    list[#list + 1] = self.server:task(id)
  end
  local is_first = self.seen == 0
  self.seen = self.seen + #list
  if is_first then
    table.sort(list, function(a, b)
      return a.created < b.created
    end)
  end
  local last = {}
  for i = is_first and math.max(1, #list - MOST + 1) or 1, #list do
    last[#last + 1] = list[i]
  end
  return last
end

function Shown:look()
  local version = sandbox_core.version(self.server)
  if version == self.version then
    return
  end
  self.version = version
  for _, task in ipairs(new_tasks(self)) do
    self.pending[task.task_id] = true
  end
  for id in pairs(self.pending) do
    if self:show(self.server:task(id)) then
      self.pending[id] = nil
    end
  end
end

-- `words` that speak of the file at `path`.
local function called(words, path, name)
  local first, last = words:find(path, 1, true)
  return first and words:sub(1, first - 1) .. name .. words:sub(last + 1)
    or words
end

-- Another client of the sandbox sends what was dropped.
local function send(self, path, name)
  name = redact.visible(name:match("[^/\\]*$"))
  local task, err = self.client:submit({ path = path,
    filename = name ~= "" and name or "audio" })
  os.remove(path)
  if not task then
    local item = self.live:item(path, function()
      return items.new(source.stem_name({ filename = name }), "intended")
    end)
    items.enter(item, "failed")
    item.error, item.kind = called(err.message, path, name), err.kind
    self.live:publish(item)
  end
end

--- Show what the server does until `is_over()`.
---@param server camb.SandboxServer
---@param is_over fun(): boolean
function served_tasks.run(server, is_over)
  local self = setmetatable({ server = server, live = live.new(server),
    seen = 0, pending = {}, version = nil, client = camb.client({
      api_key = server.api_key, base_url = server.base_url,
      ca_file = server.ca_file }) }, Shown)
  local ok, problem = pcall(camb.run, function()
    while not is_over() do
      self:look()
      local path, name = self.live:dropped()
      while path do
        camb.spawn(send, self, path, name)
        path, name = self.live:dropped()
      end
      camb.sleep(LOOK)
    end
    self.client:close()
  end)
  self.client:close()
  if not ok then
    error(problem, 0)
  end
end

return served_tasks
