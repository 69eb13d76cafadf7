--- The lines of a journal: appended whole, and read whole, also while others
--- write.

local core = require "camb.core"
local json = require "camb.json"

local lines = {}

-- In the order in which a line has them.
local FIELDS = { "time", "job", "state", "task_id", "base_url", "source",
  "url", "size", "changed", "piece", "sha256", "output_dir", "name", "part",
  "only", "process" }

local function line_of(fields)
  local said = {}
  for _, name in ipairs(FIELDS) do
    if fields[name] ~= nil then
      said[#said + 1] = ('"%s":%s'):format(name, json.quote(
        tostring(fields[name])))
    end
  end
  return "{" .. table.concat(said, ",") .. "}\n"
end

--- Append the line of `fields`; it is on the disk then.
---@param path string # of the journal
---@param fields table<string, string> # `time` is added
---@return boolean? ok
---@return string? reason
function lines.append(path, fields)
  fields.time = os.date("!%Y-%m-%dT%H:%M:%SZ")
  return core.append(path, line_of(fields))
end

-- The fields of a line; nil for one that is cut short, or no line of ours.
local function fields_of(line)
  local fields = json.decode(line)
  if type(fields) ~= "table" or not (fields.job or fields.task_id) then
    return nil
  end
  for _, value in pairs(fields) do
    if type(value) ~= "string" then
      return nil
    end
  end
  return fields
end

--- What was read of a journal so far.
---@class camb.JournalReader
---@field entries camb.JournalEntry[] # in the order of their first lines;
---  `last` is the number of the newest line
---@field by_key table<string, camb.JournalEntry[]> # by size, url and piece
local Reader = {}
Reader.__index = Reader

--- Reads the journal at `path`: nothing yet.
---@param path string
---@param words string? # of a line: only jobs that such a line is about
---@param from integer? # bytes to pass over, up to the end of a line
---@return camb.JournalReader
function lines.reader(path, words, from)
  return setmetatable({ path = path, words = words, at = from or 0, lines = 0,
    entries = {}, by_job = {}, by_task = {}, by_key = {} }, Reader)
end

local function is_wanted(self, line)
  return not self.words or line:find(self.words, 1, true)
    or self.by_job[line:match('"job":"([^"]*)"') or false]
    or self.by_task[line:match('"task_id":"([^"]*)"') or false]
end

-- The entry of the job that `fields` are of.
local function entry_of(self, fields)
  local entry = self.by_job[fields.job or false]
  if not entry then
    entry = {}
    self.entries[#self.entries + 1] = entry
    self.by_job[fields.job or false] = fields.job and entry
    for _, key in pairs({ fields.size, fields.url, fields.piece }) do
      self.by_key[key] = self.by_key[key] or {}
      table.insert(self.by_key[key], entry)
    end
  end
  return entry
end

-- Files of the same content share a task, and its end.
local function take_line(self, fields, on_line)
  local task = fields.task_id or false
  local sharing = self.by_task[task] or {}
  local of_line = not fields.job and sharing[1] and sharing
    or { entry_of(self, fields) }
  for _, entry in ipairs(of_line) do
    if task and entry.task_id ~= task then
      sharing[#sharing + 1] = entry
      self.by_task[task] = sharing
    end
    for name, value in pairs(fields) do
      entry[name] = value
    end
    entry.last = self.lines
    if on_line then
      on_line(entry, fields)
    end
  end
end

--- Read on; the end of a line that is being written comes another time.
---@param on_line fun(entry: camb.JournalEntry, fields: table)? # of each line
function Reader:read(on_line)
  local kind, size = core.stat(self.path)
  local file = kind == "file" and size > self.at and io.open(self.path, "rb")
  if not file then
    return
  end
  file:seek("set", self.at)
  for line in file:lines() do
    if self.at + #line >= size then
      break
    end
    self.at, self.lines = self.at + #line + 1, self.lines + 1
    local fields = is_wanted(self, line) and fields_of(line)
    if fields then
      take_line(self, fields, on_line)
    end
  end
  file:close()
end

local BLOCK = 2 ^ 16

--- Where the last whole line of the journal at `path` ends, in bytes.
---@param path string
---@return integer
function lines.ending(path)
  local file = core.stat(path) == "file" and io.open(path, "rb")
  if not file then
    return 0
  end
  local from = math.max(0, file:seek("end") - BLOCK)
  file:seek("set", from)
  local last = file:read(BLOCK) or ""
  file:close()
  return from + #(last:match("^.*\n") or "")
end

-- Whether the file at `path` holds `words`, a few, whatever its size.
local function has_words(path, words)
  local file = core.stat(path) == "file" and io.open(path, "rb")
  local block, before = file and file:read(BLOCK), ""
  local found
  while block and not found do
    found = (before .. block):find(words, 1, true) ~= nil
    before, block = block:sub(-#words), file:read(BLOCK)
  end
  if file then
    file:close()
  end
  return found
end

--- What the journal at `path` says of jobs with a line that has `field` of
--- `value`.
---@param path string
---@param field string
---@param value string?
---@return camb.JournalReader
function lines.about(path, field, value)
  local words = ('"%s":%s'):format(field, json.quote(tostring(value)))
  local found = lines.reader(path, words)
  if has_words(path, words) then
    found:read()
  end
  return found
end

return lines
