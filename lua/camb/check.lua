--- Values are checked once, where the caller hands them over: a wrong type or
--- an unknown name raises there and says which.  `camb.options` says which
--- options there are; the rules that their values keep to stand here.

local ascii = require "camb.ascii"

local check = {}

---@class camb.Rule
---@field type string?  # a Lua type; nil: `check` looks at the type, too
---@field of string     # the type in words, for the reference
---@field check (fun(value: any): string?)? # what is wrong with the value
---@field default any
---@field renamed string? # of a former name: the option's name now

-- What may stand in a header, a form field or a path without changing them.
local function control_free(value)
  if not value:find("[%z\1-\31\127]") then
    return nil
  elseif value:find("%z") then
    return "holds a NUL byte"
  elseif value:find("[\r\n]") then
    return "holds a line break"
  end
  return "holds a control character"
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

--- Text of several lines: a form carries line breaks as they are.
check.lines = { type = "string", of = "string", check = function(value)
  return control_free((value:gsub("[\r\n\t]", "")))
end }

--- Any bytes.
check.bytes = { type = "string", of = "string" }
check.boolean = { type = "boolean", of = "boolean" }
check.callback = { type = "function", of = "function" }
check.table = { type = "table", of = "table" }
check.any = { of = "any" }

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
    check = function(value)
      for _, word in ipairs(words) do
        if value == word then
          return nil
        end
      end
      return ('must be one of "%s"'):format(table.concat(words, '", "'))
    end }
end

local function names(schema)
  local list = {}
  for name in pairs(schema) do
    list[#list + 1] = name
  end
  table.sort(list)
  return list
end

local function plain(name)
  return (ascii.lower(name):gsub("[_-]", ""))
end

-- True when one letter more, fewer or other makes `a` of `b`.
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

-- A name of `schema` that `wrong` is a slip of.
local function resemble(schema, wrong)
  for _, name in ipairs(names(schema)) do
    if not schema[name].renamed
      and (plain(name) == plain(wrong) or is_one_slip(name, wrong))
    then
      return name
    end
  end
end

local function refuse(schema, name, level)
  local known = resemble(schema, tostring(name))
  local hint = known and (" (is it '%s'?)"):format(known) or ""
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
    checked[name] = value
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
      default = option.default }
  end
  return schema
end

return check
