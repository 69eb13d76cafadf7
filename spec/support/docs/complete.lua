-- What is public and is not documented.  The tables and the comments say what is
-- documented; the modules themselves, as they are loaded, say what is there.

local cli = require "camb.cli"
local comments = require "spec.support.docs.comments"
local errors = require "camb.error"
local events = require "camb.events"
local operations = require "camb.operations"
local manual_page = require "spec.support.docs.command"
local options = require "camb.options"
local public = require "spec.support.docs.public"
local reference = require "spec.support.docs.reference"
local sandbox_options = require "camb.sandbox.options"

local complete = {}

local problems

local function complain(...)
  problems[#problems + 1] = string.format(...)
end

local function is_sentence(text)
  return type(text) == "string" and text:find "%.$" ~= nil
end

local described, mentioned -- classes; and where, by class

local function mention(text, where)
  for name in text:gmatch "camb%.%u[%w_]*" do
    mentioned[name] = where
  end
end

local function check_function(room, fn)
  local name = room.title .. fn.mark .. fn.name
  if fn.prose == "" then
    complain("%s: %s has no comment", room.file, name)
  end
  local told, returns = {}, false
  for _, tag in ipairs(fn.tags) do
    told[tag.name == "param" and tag.text:match "^[%w_.]+" or false] = true
    returns = returns or tag.name == "return"
    mention(tag.text, name)
  end
  for parameter in fn.signature:gmatch "[%w_.]+" do
    if not told[parameter] and parameter ~= "self" then
      complain("%s: %s does not say what '%s' is", room.file, name, parameter)
    end
  end
  if fn.returns and not returns then
    complain("%s: %s does not say what it returns", room.file, name)
  end
end

local function check_class(room)
  local class = comments.class(room.file, room.class)
  if not class then
    complain("%s: no class %s", room.file, room.class)
    return
  end
  described[class.name] = true
  if class.prose == "" then
    complain("%s: the class %s has no comment", room.file, class.name)
  end
  mention(table.concat(class.block, " "), class.name)
  for _, field in ipairs(class.fields) do
    if not field.words then
      complain("%s: %s does not say what '%s' is", room.file, class.name,
        field.name)
    end
  end
end

-- The functions of a room; their names, and those marked as not public, go to
-- `known`.
local function check_functions(room, known)
  local found, hidden = comments.functions(room.file, room.owner)
  if #found == 0 then
    complain("%s: no function of %s", room.file, room.owner)
  end
  for _, fn in ipairs(found) do
    check_function(room, fn)
    known[fn.name] = true
  end
  for name in pairs(hidden) do
    known[name] = true
  end
end

-- Every room; the names of known functions, by their owner.
local function check_rooms()
  local known = {}
  for _, room in ipairs(public.ROOMS) do
    local owner = room.goes_on or room.owner
    if owner then
      known[owner] = known[owner] or {}
      check_functions(room, known[owner])
    end
    if room.class then
      check_class(room)
    end
    if room.head and comments.head(room.file) == "" then
      complain("%s has no comment at its head", room.file)
    end
  end
  return known
end

-- Each function in `owner`, a module or the methods of a class, is in `known`.
local function check_owner(title, owner, known)
  for name, value in pairs(owner) do
    if type(value) == "function" and not name:find "^__" and not known[name] then
      complain("%s: the function '%s' is not documented", title, name)
    end
  end
end

local function methods_of(value)
  local index = getmetatable(value).__index
  return type(index) == "table" and index or {}
end

local function check_loaded(known)
  for _, room in ipairs(public.ROOMS) do
    if room.title == room.module then
      check_owner(room.title, require(room.module), known[room.owner])
    end
  end
  local camb = require "camb"
  local client = camb.client({ api_key = "none", base_url = "http://[::1]" })
  check_owner("Client", methods_of(client), known.Client)
  check_owner("Task", methods_of(client:task "none"), known.Task)
  check_owner("Batch", methods_of(client:batch({})), known.Batch)
  check_owner("Job", methods_of(camb.spawn(function() end)), known.Job)
  check_owner("audio_separation", methods_of(client.audio_separation),
    known.AudioSeparation)
  client:close()
  local server = {}
  for _, field in ipairs(comments.class("lua/camb/sandbox.lua",
    "camb.SandboxServer").fields)
  do
    server[field.name] = true
  end
  check_owner("SandboxServer", require("camb.sandbox.core").methods, server)
end

local function check_option(option, title)
  if not is_sentence(option.help) then
    complain("option '%s' of %s has no sentence", option.name, title)
  elseif not option.rule.of then
    complain("option '%s' of %s has no type", option.name, title)
  elseif option.rule.of == "number" and not option.unit then
    complain("option '%s' of %s has no unit", option.name, title)
  end
end

local function check_options()
  local shown = {}
  for _, section in ipairs(public.SECTIONS) do
    described[section.class] = true
    for _, option in ipairs(section.list) do
      shown[option] = true
      mention(option.rule.of or "", option.name)
      check_option(option, section.title)
    end
  end
  for _, command in ipairs(cli.COMMANDS) do
    for _, list in ipairs({ options.all(), sandbox_options.SERVE }) do
      for _, option in ipairs(options.flags(command.name, list)) do
        shown[option] = true
        check_option(option, "camb " .. command.name)
      end
    end
  end
  for _, option in ipairs(options.all()) do
    if not shown[option] then
      complain("option '%s' is one of no call and of no command", option.name)
    end
  end
end

-- Each name that `pattern` finds in a line of `files` is in the table `known`,
-- and each of the table's is in a line.
local function check_names(files, what, known, pattern, table_file)
  local quoted = {}
  for _, path in ipairs(files) do
    for number, line in ipairs(path:find "%.lua$" and path ~= table_file
      and comments.read_lines(path) or {})
    do
      for name in line:gmatch(pattern) do
        if not known[name] then
          complain("%s:%d: the %s '%s' is not in %s", path, number, what, name,
            table_file)
        end
      end
      for name in line:gmatch '"([%w_]+)"' do
        quoted[name] = true
      end
    end
  end
  for name in pairs(known) do
    if not quoted[name] then
      complain("%s: nothing makes the %s '%s'", table_file, what, name)
    end
  end
end

local function check_tables(files)
  local kinds, names = {}, {}
  for _, entry in ipairs(errors.KINDS) do
    kinds[entry.kind] = true
    if not (is_sentence(entry.when) and is_sentence(entry.cure)) then
      complain("error '%s' does not say when it comes, or what to do",
        entry.kind)
    end
  end
  for _, event in ipairs(events) do
    names[event.name] = true
    if not is_sentence(event.when) then
      complain("event '%s' does not say when it comes", event.name)
    end
  end
  check_names(files, "event", names, ':emit%("([%w_]+)"', "lua/camb/events.lua")
  check_names(files, "kind of error", kinds, '%f[%w_]kind = "([%w_]+)"',
    "lua/camb/error.lua")
  for _, operation in ipairs(operations.TABLE) do
    for _, field in ipairs({ "step", "name", "method", "path", "reply" }) do
      if not operation[field] then
        complain("operation '%s' has no %s", operation.name or "?", field)
      end
    end
  end
end

-- doc/errors.md has the table of kinds, and a section on each.
local function check_chapter()
  local path = "doc/errors.md"
  local text = assert(io.open(path)):read "*a"
  local rows = #problems == 0 and reference.error_table()
  if rows and not text:find(rows, 1, true) then
    complain("%s: the table of errors is not that of camb.error:\n%s", path,
      rows)
  end
  for _, entry in ipairs(errors.KINDS) do
    if not text:find(("\n## %s\n"):format(entry.kind), 1, true) then
      complain("%s has no section on '%s'", path, entry.kind)
    end
  end
end

-- Each variable that `files` read is told of.
local function check_environment(files)
  local told = {}
  for _, entry in ipairs(manual_page.ENVIRONMENT) do
    for name in entry[1]:gmatch "[%w_]+" do
      told[name:upper()] = true
    end
  end
  for _, path in ipairs(files) do
    for name in table.concat(comments.read_lines(path), "\n")
      :gmatch 'os%.getenv%(?"([%w_]+)"'
    do
      if not told[name:upper()] then
        complain("%s: the variable '%s' is not documented", path, name)
      end
    end
  end
end

--- What is missing, a sentence each.
---@param files string[] # that emit events and make errors
---@return string[]
function complete.problems(files)
  problems, described, mentioned = {}, {}, {}
  check_loaded(check_rooms())
  check_options()
  check_tables(files)
  check_environment(files)
  for name, where in pairs(mentioned) do
    if not described[name] then
      complain("%s mentions %s, which is described nowhere", where, name)
    end
  end
  check_chapter()
  return problems
end

return complete
