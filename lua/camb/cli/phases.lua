--- How far a file has come, as its events show, in words and as a share for a
--- bar.

local core = require "camb.core"

local phases = {}

---@class camb.Phase
local Phase = {}
Phase.__index = Phase

-- Seconds that a rate looks back on.
local WINDOW = 5

--- "1:12", or "2:03:04".
---@param seconds number
---@return string
function phases.clock(seconds)
  seconds = math.floor(math.max(seconds, 0) + 0.5)
  local minutes = math.floor(seconds / 60)
  if minutes < 60 then
    return ("%d:%02d"):format(minutes, seconds % 60)
  end
  return ("%d:%02d:%02d"):format(math.floor(minutes / 60), minutes % 60,
    seconds % 60)
end

--- A file of which nothing is known yet.
---@return camb.Phase
function phases.new()
  return setmetatable({ word = "starting", since = core.now(), stems = {},
    samples = {} }, Phase)
end

local function enter(self, word)
  if self.word ~= word then
    self.word, self.since = word, core.now()
    self.bytes, self.total, self.samples = nil, nil, {}
  end
  self.retry = nil
end

local function count(self, bytes, total)
  self.bytes, self.total = bytes, total
  local now, samples = core.now(), self.samples
  samples[#samples + 1] = { now, bytes }
  while samples[3] and now - samples[2][1] > WINDOW do
    table.remove(samples, 1)
  end
end

-- Bytes of both stems; no total before each has one.
local function count_stems(self)
  local bytes, total = 0, 0
  for _, stem in pairs(self.stems) do
    bytes = bytes + stem.bytes
    total = total and stem.total and total + stem.total
  end
  count(self, bytes, total or nil)
end

local function download(self, event)
  enter(self, "downloading")
  local stem = self.stems[event.stem] or { bytes = 0 }
  self.stems[event.stem] = stem
  stem.bytes, stem.total = event.bytes or stem.bytes, event.total or stem.total
  stem.is_done = event.name == "downloaded"
  count_stems(self)
end

local ON = {
  upload_started = function(self, event)
    enter(self, "uploading")
    count(self, 0, event.total)
  end,
  upload_progress = function(self, event)
    enter(self, "uploading")
    count(self, event.bytes, event.total)
  end,
  submitted = function(self)
    enter(self, "separating")
  end,
  run_ready = function(self)
    enter(self, "separated")
  end,
  download_started = download,
  download_progress = download,
  downloaded = download,
  retrying = function(self, event)
    self.retry = { reason = event.reason,
      at = event.next_in and core.now() + event.next_in }
  end,
}
ON.resumed, ON.polled = ON.submitted, ON.submitted

--- Take note of `event`.
---@param event table
function Phase:hear(event)
  local note = ON[event.name]
  if note then
    note(self, event)
  end
end

-- Bytes per second; nil before it can be told.
local function rate_of(self)
  local first, last = self.samples[1], self.samples[#self.samples]
  local seconds = first and core.now() - first[1] or 0
  return seconds >= 0.5 and last[2] > first[2] and (last[2] - first[2])
    / seconds or nil
end

local function size(bytes)
  if bytes >= 1e9 then
    return ("%.1f GB"):format(bytes / 1e9)
  elseif bytes >= 1e6 then
    return ("%.1f MB"):format(bytes / 1e6)
  end
  return ("%.0f kB"):format(bytes / 1e3)
end

--- How much of what is under way is done, 0 to 1; nil: unknown.
---@return number?
function Phase:share()
  return self.bytes and self.total and self.total > 0
    and math.min(self.bytes / self.total, 1) or nil
end

--- Seconds until what is under way ends, as it goes now; nil: unknown.
---@return number?
function Phase:left()
  local rate = rate_of(self)
  return rate and self.total and (self.total - self.bytes) / rate or nil
end

-- Which stems are coming.
local function stems_of(self)
  local open
  for name, stem in pairs(self.stems) do
    if not stem.is_done then
      open = open and "stems" or name
    end
  end
  return open and " " .. open or ""
end

--- In words: "uploading 62 %, 4.1 MB/s".
---@return string
function Phase:words()
  local now = core.now()
  if self.retry then
    local seconds = self.retry.at and self.retry.at - now
    return seconds and seconds > 0
      and ("retrying in %.0f s: %s"):format(math.ceil(seconds),
        self.retry.reason) or "retrying: " .. self.retry.reason
  elseif self.word == "separating" then
    return "separating, " .. phases.clock(now - self.since)
  end
  local said = self.word
    .. (self.word == "downloading" and stems_of(self) or "")
  local share, rate = self:share(), rate_of(self)
  if share then
    said = ("%s %d %%"):format(said, math.floor(share * 100))
  elseif self.bytes and self.bytes > 0 then
    said = said .. " " .. size(self.bytes)
  end
  return rate and ("%s, %s/s"):format(said, size(rate)) or said
end

return phases
