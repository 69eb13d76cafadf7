--- Coroutines as the library has them, and where they cannot wait.
---
--- nginx's Lua module puts functions in their place that belong to one request,
--- and keeps the library's as _create and so on.  One loop of ours resumes the
--- coroutines of every request, so it needs those.

local library = coroutine

-- luacheck: push ignore 143
local own = {
  create = library._create or library.create,
  resume = library._resume or library.resume,
  yield = library._yield or library.yield,
  status = library._status or library.status,
  running = library.running,
  -- Lua 5.4: what an error left open in a coroutine's <close> variables is
  -- closed by this alone.
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

-- What is on the stack of the running coroutine and cannot be left: its name,
-- and the level of its caller, as for an error of ours.
local function find_boundary()
  local level = 3
  local frame = debug.getinfo(level, "Snf")
  while frame do
    if frame.what == "C" and not passable[frame.func] then
      return frame.name or "a function of C", level
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
