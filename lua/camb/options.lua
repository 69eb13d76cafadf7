--- Options are checked once, where the caller hands them over: a wrong type or
--- an unknown name raises there and says which.

local options = {}

---@class camb.Rule
---@field type string?       # a Lua type; nil: 'check' looks at the type, too
---@field default any
---@field check fun(value: any): string? # what is wrong with it

-- What may stand in a header, a form field or a path without changing them.
local function control_free(value)
  if not value:find("%c") then
    return nil
  elseif value:find("%z") then
    return "holds a NUL byte"
  elseif value:find("[\r\n]") then
    return "holds a line break"
  end
  return "holds a control character"
end

local function text(extra)
  return {
    type = "string",
    check = function(value)
      return control_free(value) or (extra and extra(value))
    end,
  }
end

local function number(low, high)
  return {
    type = "number",
    check = function(value)
      if value ~= value or value < low or (high and value > high) then
        return high and ("must be between %g and %g"):format(low, high)
          or ("must be %g or more"):format(low)
      end
    end,
  }
end

local function whole(low)
  return {
    type = "number",
    check = function(value)
      if value ~= math.floor(value) or value < low then
        return ("must be a whole number of %d or more"):format(low)
      end
    end,
  }
end

local function above_zero(value)
  if not (value > 0) then
    return "must be more than 0"
  end
end

--- Rules to build schemas from.
options.text = text
options.number = number
options.whole = whole
options.seconds = { type = "number", check = above_zero }
options.boolean = { type = "boolean" }
options.callback = { type = "function" }
-- Several of them: a form carries line breaks as they are.
options.lines = {
  type = "string",
  check = function(value)
    return control_free((value:gsub("[\r\n\t]", "")))
  end,
}
options.filled = text(function(value)
  if value == "" then
    return "is empty"
  end
end)

local function names(schema)
  local list = {}
  for name in pairs(schema) do
    list[#list + 1] = name
  end
  table.sort(list)
  return list
end

local function plain(name)
  return (name:lower():gsub("[_-]", ""))
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
    if plain(name) == plain(wrong) or is_one_slip(name, wrong) then
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
function options.check_value(name, value, rule, level)
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

--- Check `given` against `schema`.
---@param given table?
---@param schema table<string, camb.Rule>
---@param level integer # as for `error`, seen from the caller of this function
---@return table checked # a copy, with defaults
function options.check(given, schema, level)
  local checked = {}
  if given ~= nil and type(given) ~= "table" then
    error(("options: table expected, got %s"):format(type(given)), level + 1)
  end
  for name, value in pairs(given or {}) do
    local rule = schema[name]
    if not rule then
      refuse(schema, name, level + 1)
    end
    options.check_value(name, value, rule, level + 1)
    checked[name] = value
  end
  for name, rule in pairs(schema) do
    if checked[name] == nil then
      checked[name] = rule.default
    end
  end
  return checked
end

--- `rule` with a default.
---@param rule camb.Rule
---@param value any
---@return camb.Rule
function options.default(rule, value)
  return { type = rule.type, check = rule.check, default = value }
end

--- One schema of several.
---@param ... table<string, camb.Rule>
---@return table<string, camb.Rule>
function options.join(...)
  local joined = {}
  for _, schema in ipairs({ ... }) do
    for name, rule in pairs(schema) do
      joined[name] = rule
    end
  end
  return joined
end

return options
