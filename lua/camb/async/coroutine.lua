--- Coroutines as the library has them, and where they cannot wait.
---
--- nginx's Lua module replaces these functions by its own, which belong to one
--- request, and keeps the library's as _create and so on.  camb's loop resumes
--- the coroutines of every request, so it needs the originals.

local library = coroutine

-- luacheck: push ignore 143
local own = {
  create = library._create or library.create,
  resume = library._resume or library.resume,
  yield = library._yield or library.yield,
  status = library._status or library.status,
  running = library.running,
  -- Lua 5.4: only this closes the <close> variables that an error left open in
  -- a coroutine.
  close = library.close or function() end,
}
local is_yieldable = library.isyieldable -- not in Lua 5.1 and 5.2
-- luacheck: pop

-- The functions of C that a coroutine can yield out of: none in Lua 5.1.
local passable = {}
local _, is_passable = own.resume(own.create(function()
  return pcall(own.yield, true)
end))
if is_passable == true then
  passable[pcall], passable[xpcall] = true, true
end

--- True if pcall can be left by a yield.
own.has_pcall = is_passable == true

-- If it cannot, a function is called in a coroutine within the running one,
-- which hands its yields on; loops know of the outer one alone.
local outer = setmetatable({}, { __mode = "kv" })

local function hand_on(thread, ok, ...)
  if own.status(thread) == "dead" then
    outer[thread] = nil
    return ok, ...
  end
  return hand_on(thread, own.resume(thread, own.yield(...)))
end

local function call_within(fn, ...)
  local thread = own.create(function(...)
    return fn(...)
  end)
  outer[thread] = own.running()
  return hand_on(thread, own.resume(thread, ...))
end

local function outermost(thread, is_main)
  while outer[thread or false] do
    thread = outer[thread]
  end
  return thread, is_main
end

--- pcall that can be left by a yield.
own.pcall = own.has_pcall and pcall or call_within

if not own.has_pcall then
  function own.running()
    return outermost(library.running())
  end
end

-- The function on the running coroutine's stack that a yield cannot leave: its
-- name, and the level of its caller, as for an error of ours.
local function find_boundary()
  local level = 3
  local frame = debug.getinfo(level, "Snf")
  while frame do
    if frame.what == "C" and not passable[frame.func] then
      return frame.name or "a C function", level
    elseif frame.name == "(for generator)" and not own.has_pcall then
      return frame.name, level
    end
    level = level + 1
    frame = debug.getinfo(level, "Snf")
  end
end

local HINTS = {
  pcall = "call the function directly: failures come back as nil and an error",
  ["(for generator)"] = "call the iterator instead, as in `local item = "
    .. "batch()`",
}

--- Whether the running coroutine can wait.
function own.can_wait()
  return is_yieldable and is_yieldable()
    or not is_yieldable and not find_boundary()
end

--- Raise if the running coroutine cannot wait, before anything is noted of
--- its waiting: the error of a yield would come too late for that.
function own.check()
  if is_yieldable and is_yieldable() then
    return
  end
  local name, level = find_boundary()
  if name or is_yieldable then
    local what = name == "(for generator)" and "a for loop" or name
    error(("%s cannot wait inside a job%s: %s"):format(
      what or "this function", own.has_pcall and "" or " in " .. _VERSION,
      HINTS[name] or "call camb outside it"), level or 0)
  end
end

return own
