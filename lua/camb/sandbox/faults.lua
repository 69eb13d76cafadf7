--- Faults: what a server is told to get wrong, checked and made ready for the
--- wire.

local cjson = require("cjson").new()
local options = require "camb.options"
local wire = require "camb.sandbox.wire"

local faults = {}

local function one_of(...)
  local words = { ... }
  return {
    type = "string",
    check = function(value)
      for _, word in ipairs(words) do
        if value == word then
          return
        end
      end
      return ('must be one of "%s"'):format(table.concat(words, '", "'))
    end,
  }
end

local function integer(least, most)
  return {
    type = "number",
    check = function(value)
      if value ~= math.floor(value) or not (value >= least and value <= most)
      then
        return ("must be a whole number from %.0f to %.0f"):format(least, most)
      end
    end,
  }
end

local LARGEST = 2 ^ 53
local LONGEST_ETAG = 71 -- StemHead in csrc/sandbox/stemhead.h holds it
local bytes = integer(0, LARGEST)
local on = {
  type = "boolean",
  check = function(value)
    if not value then
      return "is true or left out"
    end
  end,
}

local function is_line(value)
  return not value:find("[%z\r\n]")
end

local function check_header(name, value)
  if type(name) ~= "string" or name == "" or not is_line(name)
    or name:find(":", 1, true) then
    return "has a name that is none"
  elseif value == false or type(value) == "number"
    or type(value) == "string" and is_line(value) then
    return
  end
  return ("has no string without line breaks, number or false as '%s'")
    :format(name)
end

local headers = {
  type = "table",
  check = function(value)
    for name, values in pairs(value) do
      for _, one in ipairs(type(values) == "table" and values or { values }) do
        local problem = check_header(name, one)
        if problem then
          return problem
        end
      end
    end
  end,
}

local length = {
  check = function(value)
    if type(value) == "number" then
      return bytes.check(value)
    elseif type(value) ~= "string" or not is_line(value) then
      return "must be a number, or a string without line breaks"
    end
  end,
}

-- Bodies and raw replies may hold what they like: they are there to be wrong.
local schema = {
  -- when
  step = one_of("submit", "status", "result", "results", "stem"),
  path = options.filled,
  skip = options.default(bytes, 0),
  times = options.default({
    type = "number",
    check = function(value)
      if value ~= math.huge then
        return integer(1, LARGEST).check(value)
      end
    end,
  }, 1),
  at = one_of("headers", "body", "request", "accepted"),
  after = bytes,
  -- the reply
  status = integer(100, 999),
  body = { type = "string" },
  reply = {},
  html = on,
  empty = on,
  expired = on,
  json_size = integer(wire.SMALLEST_JSON, LARGEST),
  json_depth = integer(1, LARGEST),
  gzip_bomb = bytes,
  headers = headers,
  retry_after = bytes,
  retry_after_date = integer(-1e9, 1e9),
  redirect = options.text(),
  raw = { type = "string" },
  -- how it goes wrong
  content_length = length,
  longer = integer(1, LARGEST),
  truncate = bytes,
  chunked = on,
  endless_headers = on,
  slow = one_of("headers", "body"),
  pace = options.seconds,
  chunk = integer(1, 2 ^ 30),
  -- how the connection ends
  close = on,
  reset = on,
  silence = on,
  -- stems
  cut = bytes,
  etag = options.text(function(value)
    if value == "" or #value > LONGEST_ETAG then
      return ("must have 1 to %d letters"):format(LONGEST_ETAG)
    end
  end),
  changed = on,
  corrupt = on,
}

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
    return ("option '%s' cannot stand beside '%s'"):format(found[2], found[1])
  end
end

local function is_body(name)
  return name == "reply" or wire.BODIES[name] ~= nil
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
    return ("option '%s' is for the step \"stem\" only"):format(alteration)
  end
  local other = names(fault, function(name)
    return not is_place[name] and not is_alteration[name]
  end)[1]
  if other then
    return ("option '%s' cannot stand beside '%s'"):format(other, alteration)
  end
end

local function find_raw_problem(fault)
  local other = fault.raw and names(fault, function(name)
    return is_reply(name) and name ~= "raw" and name ~= "slow"
      and name ~= "pace" and name ~= "chunk" and name ~= "status"
  end)[1]
  if other then
    return ("option '%s' cannot stand beside 'raw'"):format(other)
  end
end

local function find_clash(fault)
  for _, pair in ipairs(clashes) do
    if fault[pair[1]] ~= nil and fault[pair[2]] ~= nil then
      return ("option '%s' cannot stand beside '%s'"):format(pair[2], pair[1])
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
    return "a fault needs something that goes wrong: a status, a body, reset, "
      .. "close, silence, …"
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
    error("option 'reply' is no JSON: " .. tostring(text), level + 1)
  end
  return text
end

local function take(fault, list, compiled)
  for _, name in ipairs(list) do
    compiled[name] = fault[name]
  end
  return compiled
end

--- What is to go wrong.  Of the replies' options one gives the body: body,
--- reply, html, empty, expired, json_size, json_depth or gzip_bomb; without
--- one it is a short JSON with the status's name.  A fault without a reply
--- only ends the connection.  The connection is closed after every fault.
---@class camb.SandboxFault
---@field step "submit"|"status"|"result"|"results"|"stem"
---@field path string?            # must stand in the request's path
---@field skip integer?           # let so many such requests pass first; 0.
---                               # One that an earlier fault gets counts not
---@field times integer?          # strike so often; 1; math.huge: always
---@field at "headers"|"body"|"request"|"accepted"|nil
---                               # before anything is looked at and the body
---                               # is read; after some of the body; default:
---                               # the whole request is there, nothing was
---                               # done; the operation went well, its reply
---                               # is replaced.  A request that the server
---                               # itself refuses before that gets its own
---                               # reply, and the fault waits for the next
---@field after integer?          # at = "body": so many bytes of it; 1
---
---@field status integer?         # 200; 302 with redirect, 403 with expired,
---                               # 503 with retry_after
---@field body string?            # any bytes
---@field reply any               # a value that becomes JSON; sandbox.null
---@field html boolean?           # a page that asks to sign in
---@field empty boolean?          # no bytes at all
---@field expired boolean?        # what a storage says of an expired URL
---@field json_size integer?      # JSON of so many bytes
---@field json_depth integer?     # arrays in arrays
---@field gzip_bomb integer?      # gzip that inflates to so many spaces
---@field headers table<string, string|number|false|string[]>?
---                               # more, or others; false leaves one out
---@field retry_after integer?    # Retry-After in seconds
---@field retry_after_date integer? # or as the date so many seconds from then
---@field redirect string?        # Location
---@field raw string?             # these bytes are the whole reply
---
---@field content_length integer|string? # instead of the true one
---@field longer integer?         # so many bytes more than announced
---@field truncate integer?       # only so many of the announced bytes
---@field chunked boolean?        # without truncate: whole and well formed
---@field endless_headers boolean? # header lines until the client leaves
---@field slow "headers"|"body"|nil # write that part bit by bit
---@field pace number?            # with slow: seconds after each bit
---@field chunk integer?          # with slow: bytes of a bit; 1
---
---@field close boolean?          # the connection ends; after the reply, too,
---                               # where there is one: this is the default
---@field reset boolean?          # it is reset, after the reply has arrived
---@field silence boolean?        # nothing more comes, it stays open until the
---                               # client leaves or the server stops
---
---@field cut integer?            # stems, for the real reply: the connection
---                               # breaks after so many bytes of the body
---@field changed boolean?        # other bytes from the 13th on, another ETag
---@field etag string?            # this ETag, with its quotes
---@field corrupt boolean?        # other bytes under the same ETag and digest

--- Check a fault and make of it what the core plays.
---@param given camb.SandboxFault
---@param level integer # as for `error`, seen from the caller of this function
---@return table compiled
function faults.compile(given, level)
  local fault = options.check(given, schema, level + 1)
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
  local compiled = replies and wire.compose(fault, status) or {}
  take(fault, PLACES, compiled)
  take(fault, ALTERATIONS, compiled)
  compiled.status = not fault.raw and status or fault.status
  compiled.at = fault.at or "request"
  compiled.after = fault.after or fault.at == "body" and 1 or nil
  compiled.ending = find_ending(fault)
  compiled.alters = alters
  return compiled
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
        (tostring(result):gsub("^[^:]+:%d+: ", "")))
    end
    compiled[i] = result
  end
  return compiled
end

faults.SCHEMA = schema

return faults
