--- What Lua 5.3 and 5.4 have and others lack, for specs on any of the five.
--- Nothing is put into the globals: camb itself must do without.

local luas = {}

-- Of lua-compat53, for 5.1, 5.2 and LuaJIT.
local strings = string.pack and string or require "compat53.string"

luas.pack, luas.unpack_bytes = strings.pack, strings.unpack
luas.unpack = table.unpack or unpack
luas.move = table.move or require("compat53.table").move

--- Whether pcall can be left by a wait.
luas.has_pcall = require("camb.async.coroutine").has_pcall

--- Whether whole numbers beyond 2^53 are told from each other.
luas.has_integers = math.type ~= nil

--- Whether a loop that is left closes what it iterates over, as 5.4 does.
luas.closes_loops = (loadstring or load)("local x <close> = nil") ~= nil
--- Whether a table that is forgotten can be told so, as of 5.2.
luas.collects_tables = (function()
  local is_told = false
  setmetatable({}, { __gc = function() is_told = true end })
  collectgarbage()
  collectgarbage()
  return is_told
end)()

--- Collect all garbage; LuaJIT's compiled code is kept with it, and forgotten.
function luas.collect()
  if rawget(_G, "jit") then
    jit.flush()
  end
  for _ = 1, 3 do
    collectgarbage()
  end
end

--- fn(item) for each item of `batch`, in a for loop if this Lua can wait there.
function luas.each(batch, fn)
  if luas.has_pcall then
    for item in batch do
      fn(item)
    end
    return
  end
  local item = batch()
  while item do
    fn(item)
    item = batch()
  end
end

--- Leave a for loop over what `client:batch` returned after `count` items; the
--- batch ends then, in each Lua.
function luas.leave(count, batch, _, _, closing)
  for item in batch, nil, nil, closing do
    assert(item.stems, item.error)
    count = count - 1
    if count == 0 then
      break
    end
  end
  if not luas.closes_loops then
    batch:close()
  end
end

--- As math.type; a whole number is an integer wherever there is one kind.
function luas.type(value)
  if math.type then
    return math.type(value)
  end
  return type(value) == "number" and (value % 1 == 0 and "integer" or "float")
    or nil
end

return luas
