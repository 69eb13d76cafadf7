--- What an event says to a person: one sentence, and how far its call has come.

local events = require "camb.events"

local description = {}

local known = {}
for _, event in ipairs(events) do
  known[event.name] = event
end

-- The parts of a whole separation.  A call of one step is that step.
local SPANS = { upload = { 0, 0.4 }, wait = { 0.4, 0.6 },
  download = { 0.6, 1 } }

-- By operation, what was reported last: `fraction`, and each stem's share.
local told = setmetatable({}, { __mode = "k" })

-- What is done of the step, of which a stem is a part.
local function share_of(event, kind)
  if kind.share then
    return kind.share
  end
  return event.total and event.total > 0
    and math.min(event.bytes / event.total, 1) or nil
end

local function of_both(shares, stem, share, only)
  shares[stem] = math.max(shares[stem] or 0, share)
  local sum = (shares.foreground or 0) + (shares.background or 0)
  return only and sum or sum / 2
end

local function fraction_of(event, operation, kind, share)
  local so_far = told[operation] or { fraction = 0 }
  told[operation] = so_far
  local span = operation.origin and SPANS[kind.step] or { 0, 1 }
  if kind.step and share then
    local done = kind.step == "download"
      and of_both(so_far, event.stem, share, operation.options.only) or share
    so_far.fraction = math.max(so_far.fraction,
      span[1] + (span[2] - span[1]) * done)
  end
  return so_far.fraction
end

local function words_of(value)
  if type(value) == "table" then
    value = value.message
  elseif type(value) == "number" then
    local tenths = math.ceil(value * 10)
    value = ("%d.%d"):format(math.floor(tenths / 10), tenths % 10)
      :gsub("%.0$", "")
  end
  return (tostring(value):gsub("[.%s]+$", ""))
end

local function sentence_of(event, kind, share)
  local function value_of(name)
    if name == "percent" then
      return share and ("%d"):format(math.floor(share * 100))
    end
    return event[name] ~= nil and words_of(event[name]) or nil
  end
  return (kind.sentence:gsub("%[(.-{(%l[%l_]*)}.-)%]", function(part, name)
    return value_of(name) and part or ""
  end):gsub("{(%l[%l_]*)}", value_of))
end

--- Set `sentence` of `event`, and `fraction` if it is one of an operation, or
--- the end of one.
---@param event table
---@param operation camb.Operation?
function description.add(event, operation)
  local kind = known[event.name]
  local share = share_of(event, kind)
  event.sentence = sentence_of(event, kind, share)
  if event.name == "finished" then
    event.fraction = 1
  elseif operation then
    event.fraction = fraction_of(event, operation, kind, share)
  end
end

return description
