--- The sources of a batch: one after the other, each with the name that its
--- stems get.

local check = require "camb.check"
local core = require "camb.core"
local files = require "camb.batch.files"
local json = require "camb.json"
local operations = require "camb.operations"
local names = require "camb.batch.names"
local naming = require "camb.batch.naming"
local options = require "camb.options"
local source = require "camb.source"
local written = require "camb.batch.written"

local sources = {}

---@class camb.BatchEntry
---@field source camb.Source
---@field name string?                # of its stems, in its mirrored folder
---@field output_dir string?          # instead of the mirrored folder
---@field project_name string?
---@field project_description string?
---@field folder_id integer|string?

--- What is sent with the file, as JSON in which the same is always the same.
---@param own table   # comes before
---@param others table
---@return string? # nil: nothing
function sources.sent_text(own, others)
  local fields = {}
  for _, name in ipairs(operations.form()) do
    local value = own[name]
    if value == nil then
      value = others[name]
    end
    if value ~= nil then
      local text = name == "folder_id" and json.digits(json.integer(value))
        or json.quote(value)
      fields[#fields + 1] = ('"%s":%s'):format(name, text)
    end
  end
  return #fields > 0 and "{" .. table.concat(fields, ",") .. "}" or nil
end

-- One of the sources that a caller gave: an entry table, or a bare source.
local function check_entry(given, has_store, level)
  -- nil: only room for what comes
  local entry = { source = given, origin = nil, folder = nil, name = nil,
    index = nil, label = nil, key = nil, path = nil, problem = nil }
  local is_entry = type(given) == "table" and given.source ~= nil
  entry.problem, entry.label = source.name_problem(is_entry and given.source
    or given)
  if entry.problem then
    return entry
  elseif is_entry then
    entry = check.options(given, options.of("entry"), level + 1)
    if entry.name and (entry.name:find("[/\\]") or entry.name:find("^%.+$"))
    then
      error("option 'name' must be a file name without folders", level + 1)
    end
  end
  entry.origin = source.check(entry.source, level + 1)
  if has_store and not entry.origin.path then
    error("source: a store needs a path or a URL, which another run can find",
      level + 1)
  end
  return entry
end

local function folder_of(path)
  return names.normal(path:match("^(.*/)") or "")
end

local function path_of(given)
  if type(given) == "table" and given.source ~= nil then
    given = given.source
  end
  if type(given) == "table" then
    given = given.path
  end
  return type(given) == "string" and not source.is_url(given) and given or nil
end

local function base_of(list)
  local base
  for _, given in ipairs(list) do
    local path = path_of(given)
    if path and base == nil then
      base = folder_of(path)
    elseif path and base then
      base = names.common(base, folder_of(path)) or false
    end
  end
  return base or nil
end

---@class camb.BatchSources
local Sources = {}
Sources.__index = Sources

local function new(take, options_given)
  return setmetatable({
    take = take,
    index = 0,
    base = options_given.base_dir,
    output_dir = options_given.output_dir,
    has_store = options_given.store ~= nil,
    stem_name = options_given.stem_name,
  }, Sources)
end

-- The folder of the stems of `path`, and the file's name.  Sources of one
-- folder come one after another: what became of it is kept.
function Sources:mirror(path)
  local above, last
  if not source.is_url(path) then
    above, last = path:match("^(.*/)([^/%z\1-\31\127\\]+)$")
  end
  if above and above == self.last_above and not last:find("^%.") then
    return self.last_folder, last
  end
  local folder, file = names.mirror(path, self.base)
  folder = (self.output_dir .. "/" .. folder):gsub("/$", "")
  if above and last == file then
    self.last_above, self.last_folder = above, folder
  end
  return folder, file
end

-- The stems' folder and name of an entry, were it the only one.
function Sources:place(entry)
  local origin = entry.origin
  local folder, file = self.output_dir, "audio"
  if origin.path then
    folder, file = self:mirror(origin.path)
  elseif origin.filename then
    file = select(2, names.mirror(origin.filename, self.base))
  end
  entry.folder = entry.output_dir or folder
  return entry.name or names.stem(file), file
end

-- The file's path seen from the root, and what it is known by.  Sources of one
-- folder come one after another: what became of it is kept.
function Sources:locate(entry)
  local path = entry.origin.path
  entry.path = path
  if not path or source.is_url(path) then
    return path
  end
  local above, file = path:match("^(.*/)([^/]+)$")
  above, file = above or "./", file or path
  if above ~= self.last_located then
    self.last_located = above
    self.last_absolute = names.absolute(above .. "x"):sub(1, -2)
    self.last_real = names.identity(above .. "x"):sub(1, -2)
  end
  entry.path = self.last_absolute .. file
  return self.last_real .. file
end

-- What a job is known by, also in another run.
function Sources:key_of(entry, given_name)
  local key = self:locate(entry)
  return key and given_name and key .. "\t" .. given_name or key
end

-- Whether a pattern of names makes one of two sources.
local function check_names(self, list, level)
  local layout = require("camb.layout")
  if layout.has_ids(self.stem_name) then
    return
  end
  local seen = {}
  for i, given in ipairs(list) do
    local entry = check_entry(given, self.has_store, 5)
    if not entry.problem and not (self.copies and self.copies[i]) then
      local name = self:place(entry)
      local values = layout.values(self.named[i] or name, entry.origin.path)
      local base = naming.fold(entry.folder .. "/"
        .. layout.fill(self.stem_name, values))
      if seen[base] then
        error(("option 'stem_name' gives the stems of %s and %s the same name")
          :format(seen[base], source.label(entry.origin)), level + 1)
      end
      seen[base] = source.label(entry.origin)
    end
  end
end

-- A list is known from the beginning: which of its sources come again, and
-- which would have stems of one name.
function Sources:look_ahead(list, level)
  local seen, plan = {}, naming.new()
  self.copies, self.named = {}, {}
  for i, given in ipairs(list) do
    local entry = check_entry(given, self.has_store, 5)
    if not entry.problem then
      local given_name = entry.name
      local name, file = self:place(entry)
      local key = self:key_of(entry, given_name)
      seen[key or i] = (seen[key or i] or 0) + 1
      self.copies[i] = seen[key or i] > 1 and seen[key] or nil
      plan:add(i, entry.folder, name, not given_name and file or nil,
        self.copies[i])
    end
  end
  self.named = plan:settle()
  if self.stem_name then
    check_names(self, list, level + 1)
  end
end

-- A level above all callers: the error gets no position, which the iteration
-- adds.
local NO_LEVEL = 1000

-- The stems' name: as planned, or told apart from those of a neighbour.
function Sources:name_of(entry)
  local given_name = entry.name
  local name, file = self:place(entry)
  if self.named then
    return self.named[self.index] or name
  elseif not given_name and entry.origin.path
    and names.has_sibling(entry.origin.path)
  then
    return file
  end
  return name
end

--- The next source; a nil entry at the end, false if there is none for now.
---@return boolean ok      # false: the iterator raised, or it gave no source
---@return any entry       # origin, label, index, key, folder, name, …; or why
---@return boolean? is_misuse
function Sources:next()
  local ok, given = pcall(self.take)
  if not ok or not given then
    return ok, given
  end
  self.index = self.index + 1
  local entry
  ok, entry = pcall(check_entry, given, self.has_store, NO_LEVEL)
  if not ok then
    return false, entry, true
  end
  entry.index = self.index
  if entry.problem then
    return true, entry
  end
  local key = self.has_store and self:key_of(entry, entry.name)
  local copy = self.copies and self.copies[self.index]
  entry.key = key and copy and ("%s\n%d"):format(key, copy) or key or nil
  entry.takes_name = not self.has_store and not entry.name
    and entry.output_dir ~= nil and source.is_url(entry.origin.path)
  entry.name = self:name_of(entry)
  entry.label = source.label(entry.origin)
  return true, entry
end

-- The fields of the error that `word` stands for no file.
local function nothing(word)
  local kind, reason = core.stat(word)
  local message = ('no file matches "%s"'):format(word)
  if kind == "folder" then
    message = ('"%s" contains no recordings'):format(word)
  elseif not kind and not word:find("[*?%[]") then
    message = ('"%s" cannot be found: %s'):format(word, reason)
  end
  return { path = word, message = message }
end

--- What is left out of a folder: recordings that the service does not take,
--- files that are not named like recordings, links to folders, what is no file,
--- and what is hidden.
---@param found table # of files.find
---@param folder string
---@param is_own function # of written.filter
---@return { path: string, reason: string?, is_own: boolean?,
---  is_unnamed: boolean?, is_hidden: boolean?, is_no_file: boolean? }[]
---  # is_own: camb wrote it; is_no_file: it is no file
function sources.left_out(found, folder, is_own)
  local list = {}
  for _, path in ipairs(found.others or {}) do
    list[#list + 1] = is_own(path, folder, false)
      and { path = path, is_own = true }
      or { path = path, reason = source.why_not(source.other(path)) }
  end
  for _, path in ipairs(found.unknown or {}) do
    list[#list + 1] = not is_own(path, folder, false) and { path = path,
      reason = "is not named like a recording", is_unnamed = true } or nil
  end
  for _, kind in ipairs({ "no_files", "hidden" }) do
    for _, file in ipairs(found[kind] or {}) do
      list[#list + 1] = not is_own(file.path, folder, false) and file or nil
    end
  end
  return list
end

--- The files that `words` (files, folders, patterns) stand for, but for what
--- camb wrote.
---@param words string[]
---@param given table # output_dir, store, convert and where stems go
---@return string[] list
---@return string? base    # the folder that they are all below of
---@return table[] problems # the fields of errors: of words that stand for
---  nothing, and of folders that cannot be listed
---@return table[] left_out # of sources.left_out, and what else camb wrote
function sources.expand(words, given)
  local list, base, problems, left_out = {}, nil, {}, {}
  local is_own, named_stems = written.filter(given), {}
  for _, word in ipairs(words) do
    if source.is_url(word) then
      list[#list + 1] = word
    else
      word = source.path(word)
      local paths, above = files.find(word, given.convert)
      local folder = above == "" and "." or above
      for _, path in ipairs(paths) do
        if is_own(path, folder, path == word) then
          left_out[#left_out + 1] = { path = path, is_own = true }
          named_stems[#named_stems + 1] = path == word
            and written.is_stem(path) and path or nil
        else
          list[#list + 1] = path
        end
      end
      for _, file in ipairs(sources.left_out(paths, folder, is_own)) do
        left_out[#left_out + 1] = file
      end
      for _, problem in ipairs(paths.unlisted) do
        problems[#problems + 1] = problem
      end
      if #paths == 0 and #paths.unlisted == 0 and #(paths.others or {}) == 0
      then
        problems[#problems + 1] = source.name_problem(word) or nothing(word)
      elseif base == nil then
        base = names.normal(above)
      elseif base then
        base = names.common(base, names.normal(above)) or false
      end
    end
  end
  -- The shell names stems beside recordings by a pattern of its own.
  for _, path in ipairs(#list == 0 and named_stems or {}) do
    problems[#problems + 1] = written.problem(path)
  end
  return list, base or nil, problems, left_out
end

local function over(list)
  local i = 0
  return function()
    i = i + 1
    return list[i]
  end
end

--- The sources `given`: a list, an iterator, or a pattern.
---@param given string|camb.Source[]|fun(): any
---@param checked table # base_dir, output_dir, store
---@param level integer # as for `error`, seen from the caller
---@return camb.BatchSources
function sources.new(given, checked, level)
  if type(given) == "function" then
    return new(given, checked)
  elseif type(given) == "string" then
    check.value("sources", given, check.filled, level + 1)
    local list, base, problems, left_out = sources.expand({ given }, checked)
    local self = new(over(list), checked)
    self.base = self.base or base
    self.problems, self.left_out = problems, left_out
    self:look_ahead(list, level + 1)
    self.is_list = true
    return self
  elseif type(given) ~= "table" then
    error(("sources: list, iterator or pattern expected, got %s"):format(
      type(given)), level + 1)
  end
  local self = new(over(given), checked)
  self.base = self.base or base_of(given)
  self:look_ahead(given, level + 1)
  self.is_list = true
  return self
end

return sources
