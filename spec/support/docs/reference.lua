-- The reference, in Markdown.

local comments = require "spec.support.docs.comments"
local errors = require "camb.error"
local events = require "camb.events"
local operations = require "camb.operations"
local public = require "spec.support.docs.public"

local reference = {}

local function squeeze(text)
  return (text:gsub("%s+", " "))
end

-- What may stand in a column of a table.
local function cell(text)
  return (squeeze(text):gsub("|", "\\|"))
end

--- The kinds of errors, as doc/errors.md has them, too.
---@return string
function reference.error_table()
  local rows = { "| kind | what happened | what to do | exit |",
    "|---|---|---|---|" }
  for _, entry in ipairs(errors.KINDS) do
    rows[#rows + 1] = ("| `%s` | %s | %s | %d |"):format(entry.kind,
      squeeze(entry.when), squeeze(entry.cure), entry.exit)
  end
  return table.concat(rows, "\n")
end

-- `@param name type # words` and `@return type name # words` as a list item.
local function describe(tag)
  local declared, words = comments.declaration(tag.text)
  return ("- %s `%s`%s"):format(tag.name == "param" and "takes" or "returns",
    declared, words and ": " .. words or "")
end

local function add_function(say, room, fn)
  say(("\n### %s%s%s%s\n\n%s\n"):format(room.title, fn.mark, fn.name,
    fn.signature, fn.prose))
  for _, tag in ipairs(fn.tags) do
    if tag.name == "param" or tag.name == "return" then
      say(describe(tag))
    end
  end
end

local function add_class(say, class)
  if class.prose ~= "" then
    say("\n" .. class.prose)
  end
  for _, line in ipairs(#class.fields == 0 and class.block or {}) do
    if line:find "^|" then -- one of an alias
      local declared, words = comments.declaration(line)
      say(("\n- `%s`%s"):format(declared:sub(3), words and ": " .. words
        or ""))
    end
  end
  if #class.fields > 0 then
    say "\n| field | type | meaning |\n|---|---|---|"
  end
  for _, field in ipairs(class.fields) do
    say(("| `%s` | %s | %s |"):format(field.name, cell(field.kind),
      cell(field.words or "")))
  end
end

local function add_room(say, room)
  if not room.goes_on then
    say("\n## " .. room.title)
  end
  if room.head then
    say("\n" .. comments.head(room.file))
  end
  if room.class then
    add_class(say, comments.class(room.file, room.class))
  end
  for _, fn in ipairs(room.owner and comments.functions(room.file, room.owner)
    or {})
  do
    add_function(say, room, fn)
  end
end

local function default_words(value)
  if value == nil then
    return ""
  elseif value == math.huge then
    return "math.huge"
  end
  return type(value) == "string" and ('`"%s"`'):format(value)
    or ("`%s`"):format(tostring(value))
end

local function add_section(say, section)
  say(("\n### Options of %s\n"):format(section.title))
  say "| option | type | default | meaning |\n|---|---|---|---|"
  for _, option in ipairs(section.list) do
    local kind = option.rule.of .. (option.unit and ", " .. option.unit or "")
    local sent = option.form and (" Sent as `%s`."):format(option.form) or ""
    say(("| `%s` | %s | %s | %s%s |"):format(option.name, cell(kind),
      default_words(section.default(option)), cell(option.help), sent))
  end
end

local function add_operation(say, operation)
  local sent = {}
  local function add(kind, names)
    if names and names[1] then
      sent[#sent + 1] = kind .. " `" .. table.concat(names, "`, `") .. "`"
    end
  end
  add("file", { operation.file })
  add("form", operation.form)
  add("JSON", { operation.body })
  add("query", operation.query)
  add("header", operation.headers)
  say(("| `%s` | `%s %s` | %s | `%s` |"):format(operation.name,
    operation.method, operation.path, table.concat(sent, "; "),
    operation.reply))
end

--- Its text.
---@return string
function reference.write()
  local out = { "# Reference" }
  local function say(text)
    out[#out + 1] = text
  end
  for _, room in ipairs(public.ROOMS) do
    add_room(say, room)
  end
  say "\n## Operations of the service\n"
  say "| operation | request | sent | reply |\n|---|---|---|---|"
  for _, operation in ipairs(operations.TABLE) do
    add_operation(say, operation)
  end
  say("\n## Kinds of errors\n\n" .. reference.error_table())
  say "\n## Events\n"
  say "Every event has `name`, `time`, a `sentence` for a person, `fraction` (0"
  say "to 1: how much of the call is done) and, once they are known, `source`,"
  say "`task_id` and `run_id`.\n"
  say "| event | when | more fields |\n|---|---|---|"
  for _, event in ipairs(events) do
    say(("| `%s` | %s | %s |"):format(event.name, squeeze(event.when),
      (event.fields or ""):gsub("%S+", "`%0`")))
  end
  say "\n## Options"
  for _, section in ipairs(public.SECTIONS) do
    add_section(say, section)
  end
  return table.concat(out, "\n") .. "\n"
end

return reference
