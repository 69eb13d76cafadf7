--- Faults: what a server is to get wrong, checked and compiled for the wire.

local cjson = require("cjson").new()
local check = require "camb.check"
local compose = require "camb.sandbox.compose"
local options = require "camb.sandbox.options"

local faults = {}

local SCHEMA = check.schema(options.FAULT)
local NAMES = {}
for i, option in ipairs(options.FAULT) do
  NAMES[i] = option.name
end

local ALTERATIONS = { "cut", "etag", "changed", "corrupt" }
local ENDINGS = { close = "close", reset = "reset", silence = "hang" }
local PLACES = { "step", "path", "skip", "times" }

local function set(list)
  local out = {}
  for _, name in ipairs(list) do
    out[name] = true
  end
  return out
end

local is_alteration, is_place = set(ALTERATIONS), set(PLACES)

-- Names of `fault` that `is_wanted` tells of, sorted.
local function names(fault, is_wanted)
  local found = {}
  for name in pairs(fault) do
    if is_wanted(name) then
      found[#found + 1] = name
    end
  end
  table.sort(found)
  return found
end

-- Pairs of which one makes no sense with the other.
local clashes = {
  { "chunked", "content_length" }, { "chunked", "longer" },
  { "truncate", "longer" }, { "retry_after", "retry_after_date" },
  { "endless_headers", "longer" }, { "endless_headers", "truncate" },
  { "endless_headers", "chunked" }, { "endless_headers", "content_length" },
}

local needs = {
  after = "at", pace = "slow", chunk = "slow", slow = "pace",
}

local function at_most_one(fault, is_wanted)
  local found = names(fault, is_wanted)
  if #found > 1 then
    return ("option '%s' cannot be combined with '%s'"):format(found[2],
      found[1])
  end
end

local function is_body(name)
  return name == "reply" or compose.BODIES[name] ~= nil
end

local function is_reply(name)
  return not is_place[name] and not ENDINGS[name] and name ~= "at"
    and name ~= "after"
end

local function find_alteration(fault)
  for _, name in ipairs(ALTERATIONS) do
    if fault[name] ~= nil then
      return name
    end
  end
end

local function find_stem_problem(fault, alteration)
  if fault.step ~= "stem" then
    return ("option '%s' needs step = \"stem\""):format(alteration)
  end
  local other = names(fault, function(name)
    return not is_place[name] and not is_alteration[name]
  end)[1]
  if other then
    return ("option '%s' cannot be combined with '%s'"):format(other,
      alteration)
  end
end

local function find_raw_problem(fault)
  local other = fault.raw and names(fault, function(name)
    return is_reply(name) and name ~= "raw" and name ~= "slow"
      and name ~= "pace" and name ~= "chunk" and name ~= "status"
  end)[1]
  if other then
    return ("option '%s' cannot be combined with 'raw'"):format(other)
  end
end

local function find_clash(fault)
  for _, pair in ipairs(clashes) do
    if fault[pair[1]] ~= nil and fault[pair[2]] ~= nil then
      return ("option '%s' cannot be combined with '%s'"):format(pair[2],
      pair[1])
    end
  end
  for name, other in pairs(needs) do
    if fault[name] ~= nil and fault[other] == nil then
      return ("option '%s' needs '%s'"):format(name, other)
    end
  end
  if fault.after and fault.at ~= "body" then
    return "option 'after' needs at = \"body\""
  end
end

-- What is wrong with options that are fine one by one.
local function find_problem(fault)
  if fault.step == nil then
    return "option 'step' is missing"
  end
  local alteration = find_alteration(fault)
  if alteration then
    return find_stem_problem(fault, alteration)
  elseif #names(fault, is_reply) == 0
    and #names(fault, function(name) return ENDINGS[name] end) == 0 then
    return "a fault needs an effect: a status, a body, reset, close, silence, "
      .. "…"
  end
  return at_most_one(fault, function(name) return ENDINGS[name] end)
    or at_most_one(fault, is_body) or find_raw_problem(fault)
    or find_clash(fault)
end

local function find_ending(fault)
  for name, ending in pairs(ENDINGS) do
    if fault[name] then
      return ending
    end
  end
  return "close"
end

local function find_status(fault)
  return fault.status or fault.redirect and 302 or fault.expired and 403
    or (fault.retry_after or fault.retry_after_date) and 503 or 200
end

local function encode(reply, level)
  local ok, text = pcall(cjson.encode, reply)
  if not ok then
    error("option 'reply' is not JSON: " .. tostring(text), level + 1)
  end
  return text
end

local function take(fault, list, compiled)
  for _, name in ipairs(list) do
    compiled[name] = fault[name]
  end
  return compiled
end

--- Check a fault and make of it what the core plays.
---@param given camb.SandboxFault
---@param level integer # as for `error`, seen from the caller of this function
---@return table compiled
function faults.compile(given, level)
  local fault = check.options(given, SCHEMA, level + 1)
  local problem = find_problem(fault)
  if problem then
    error(problem, level + 1)
  end
  local alters = find_alteration(fault) ~= nil
  local replies = not alters and #names(fault, is_reply) > 0
  if fault.reply ~= nil then
    fault.body = encode(fault.reply, level + 1)
  end
  local status = replies and find_status(fault) or nil
  local compiled = replies and compose.reply(fault, status) or {}
  take(fault, PLACES, compiled)
  take(fault, ALTERATIONS, compiled)
  compiled.status = not fault.raw and status or fault.status
  compiled.at = fault.at or "request"
  compiled.after = fault.after or fault.at == "body" and 1 or nil
  compiled.ending = find_ending(fault)
  compiled.alters = alters
  return compiled
end

-- `problem` of a fault in a list, which may stand in a file of the command.
local function in_list(problem)
  local words = problem:gsub("^[^:]+:%d+: ", ""):gsub("option '", "'")
  return words:find("^unknown ") and ("%s; a fault takes %s"):format(words,
    table.concat(NAMES, ", ")) or words
end

--- Check a list of faults.
---@param list camb.SandboxFault[]
---@return table[]? compiled
---@return string? problem
function faults.compile_all(list)
  local compiled = {}
  for key in pairs(list) do
    if type(key) ~= "number" then
      return nil, ("faults must be a list of tables, got one with '%s'")
        :format(tostring(key))
    end
  end
  for i, fault in ipairs(list) do
    local ok, result = pcall(faults.compile, fault, 1)
    if not ok then
      return nil, ("faults[%d]: %s"):format(i,
        in_list(tostring(result)))
    end
    compiled[i] = result
  end
  return compiled
end

return faults
