--- Values are checked once, where the caller passes them: a wrong type or an
--- unknown name raises there and is named.  `camb.options` lists the options;
--- the rules for their values are here.

local core = require "camb.core"
local text = require "camb.text"

local lower = text.lower

local check = {}

---@class camb.Rule
---@field type string?  # a Lua type; nil: `check` looks at the type, too
---@field choices string[]? # the values that there are
---@field of string     # the type in words, for the reference
---@field check (fun(value: any): string?)? # what is wrong with the value
---@field convert (fun(value: any): any)? # how it is written inside of camb
---@field default any
---@field renamed string? # of a former name: the option's name now

-- What may stand in a header, a form field or a path without changing them.
local function control_free(value)
  if not value:find("[%z\1-\31\127]") then
    return nil
  elseif value:find("%z") then
    return "contains a NUL byte"
  elseif value:find("[\r\n]") then
    return "contains a line break"
  end
  return "contains a control character"
end

--- Text without control characters; `extra` looks at it, too.
---@param extra (fun(value: string): string?)?
---@return camb.Rule
function check.text(extra)
  return { type = "string", of = "string", check = function(value)
    return control_free(value) or (extra and extra(value))
  end }
end

--- The same, and not empty.
check.filled = check.text(function(value)
  if value == "" then
    return "is empty"
  end
end)

local S3 = "^[sS]3://"

--- The path of a folder, or one in S3, which becomes one without a "/" at its
--- end.
check.folder = { type = "string", of = "string", check = check.filled.check,
  convert = function(value)
    local path = core.path(value)
    local root = path:match(S3) or core.root(path)
    return root .. path:sub(#root + 1):gsub("/+$", "")
  end }

--- The same, and not in S3.
check.local_folder = { type = "string", of = "string",
  check = function(value)
    return check.filled.check(value)
      or value:find(S3) and "must be a folder of this machine, not in S3" or nil
  end,
  convert = check.folder.convert }

--- Text of several lines: a form carries line breaks as they are.
check.lines = { type = "string", of = "string", check = function(value)
  return control_free((value:gsub("[\r\n\t]", "")))
end }

--- Any bytes.
check.bytes = { type = "string", of = "string" }
check.boolean = { type = "boolean", of = "boolean" }
check.table = { type = "table", of = "table" }
check.any = { of = "any" }

--- A function.
---@param signature string # in LuaCATS: "fun(event: camb.Event)"
---@return camb.Rule
function check.callback(signature)
  return { type = "function", of = signature }
end

--- A number of `least` or more, and of `most` at most.
---@param least number
---@param most number?
---@return camb.Rule
function check.number(least, most)
  return { type = "number", of = "number", check = function(value)
    if value ~= value or value < least or (most and value > most) then
      return most and ("must be between %g and %g"):format(least, most)
        or ("must be %g or more"):format(least)
    end
  end }
end

--- The same, without a fraction.
---@param least number
---@param most number?
---@return camb.Rule
function check.whole(least, most)
  return { type = "number", of = "integer", check = function(value)
    if value == math.floor(value) and value >= least
      and not (most and value > most)
    then
      return nil
    end
    return most
      and ("must be a whole number from %.0f to %.0f"):format(least, most)
      or ("must be a whole number of %d or more"):format(least)
  end }
end

--- Above 0, such as a number of seconds.
check.above_zero = { type = "number", of = "number", check = function(value)
  if not (value > 0) then
    return "must be more than 0"
  end
end }

--- One of a few words.
---@param words string[]
---@return camb.Rule
function check.one_of(words)
  return { type = "string", of = '"' .. table.concat(words, '"|"') .. '"',
    choices = words, check = function(value)
      for _, word in ipairs(words) do
        if value == word then
          return nil
        end
      end
      return ('must be one of "%s"'):format(table.concat(words, '", "'))
    end }
end

local function plain(name)
  return (lower(name):gsub("[_-]", ""))
end

-- True if one letter added, removed or changed turns `b` into `a`.
local function is_one_slip(a, b)
  for i = 1, math.max(#a, #b) do
    local before = a:sub(1, i - 1)
    if before ~= b:sub(1, i - 1) then
      return false
    elseif before .. a:sub(i + 1) == b or b:sub(1, i - 1) .. b:sub(i + 1) == a
      or a:sub(i + 1) == b:sub(i + 1)
    then
      return true
    end
  end
  return false
end

-- The name in `schema` that `wrong` misspells.
local function resemble(schema, wrong)
  for _, name in ipairs(text.names(schema)) do
    if not schema[name].renamed
      and (plain(name) == plain(wrong) or is_one_slip(name, wrong))
    then
      return name
    end
  end
end

local function refuse(schema, name, level)
  local known = resemble(schema, tostring(name))
  local hint = known and (" (did you mean '%s'?)"):format(known) or ""
  error(("unknown option '%s'%s"):format(tostring(name), hint), level + 1)
end

--- Check one value; nil passes.
---@param name string
---@param value any
---@param rule camb.Rule
---@param level integer # as for `error`, seen from the caller of this function
function check.value(name, value, rule, level)
  if value == nil then
    return
  elseif rule.type and type(value) ~= rule.type then
    error(("option '%s': %s expected, got %s"):format(name, rule.type,
      type(value)), level + 1)
  end
  local problem = rule.check and rule.check(value)
  if problem then
    error(("option '%s' %s"):format(name, problem), level + 1)
  end
end

local told = {}

-- Say once that an option has another name now.
local function tell_name(former, name)
  if not told[former] then
    told[former] = true
    io.stderr:write(("camb: the option '%s' is now called '%s'\n"):format(
      former, name))
  end
end

--- Check `given` against `schema`.
---@param given table?
---@param schema table<string, camb.Rule>
---@param level integer # as for `error`, seen from the caller of this function
---@return table checked # a copy, with defaults
function check.options(given, schema, level)
  local checked = {}
  if given ~= nil and type(given) ~= "table" then
    error(("options: table expected, got %s"):format(type(given)), level + 1)
  end
  for name, value in pairs(given or {}) do
    local rule = schema[name]
    if not rule then
      refuse(schema, name, level + 1)
    end
    if rule.renamed then
      tell_name(name, rule.renamed)
      name, rule = rule.renamed, schema[rule.renamed]
    end
    check.value(name, value, rule, level + 1)
    if checked[name] ~= nil then
      error(("option '%s' is given twice"):format(name), level + 1)
    end
    checked[name] = rule.convert and rule.convert(value) or value
  end
  for name, rule in pairs(schema) do
    if checked[name] == nil then
      checked[name] = rule.default
    end
  end
  return checked
end

--- The rules of a list of options; see camb.options.
---@param list camb.Option[]
---@return table<string, camb.Rule>
function check.schema(list)
  local schema = {}
  for _, option in ipairs(list) do
    schema[option.name] = { type = option.rule.type, check = option.rule.check,
      convert = option.rule.convert, default = option.default }
  end
  return schema
end

return check
