--- Sleeping coroutines by the time at which they are due: a binary heap whose
--- entries know their place, so that one that is woken early leaves it at once.

local timers = {}

local Timers = {}
Timers.__index = Timers

--- A new, empty heap.
function timers.new()
  return setmetatable({}, Timers)
end

local function put(heap, i, entry)
  heap[i] = entry
  entry.place = i
end

local function rise(heap, i, entry)
  while i > 1 do
    local parent = (i - i % 2) / 2
    if heap[parent].at <= entry.at then
      break
    end
    put(heap, i, heap[parent])
    i = parent
  end
  put(heap, i, entry)
end

local function sink(heap, i, entry)
  while 2 * i <= #heap do
    local child = 2 * i
    if child < #heap and heap[child + 1].at < heap[child].at then
      child = child + 1
    end
    if entry.at <= heap[child].at then
      break
    end
    put(heap, i, heap[child])
    i = child
  end
  put(heap, i, entry)
end

--- Add `thread`, to be woken at `at`; the entry is for `remove`.
function Timers:add(thread, at)
  local entry = { thread = thread, at = at, place = #self + 1 }
  rise(self, entry.place, entry)
  return entry
end

--- Take `entry` out, unless it is out already.
function Timers:remove(entry)
  local i, last = entry.place, self[#self]
  if not i then
    return
  end
  entry.place = false
  self[#self] = nil
  if last ~= entry then
    rise(self, i, last)
    sink(self, last.place, last)
  end
end

--- When the next one is to be woken; nil if no coroutine sleeps.
function Timers:next_at()
  return self[1] and self[1].at
end

--- Take out the next one whose time has come by `now`.
function Timers:due(now)
  local entry = self[1]
  if entry and entry.at <= now then
    self:remove(entry)
    return entry.thread
  end
end

return timers
