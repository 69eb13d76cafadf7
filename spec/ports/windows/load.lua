-- camb for the Lua that runs this, wherever the folder of this file is:
--   local camb = dofile(folder .. "/camb/load.lua")

local here = debug.getinfo(1, "S").source:match("^@(.*[/\\])") or ""
package.path = here .. "lua/?.lua;" .. here .. "lua/?/init.lua;" .. package.path

-- A host that has its Lua inside of itself finds no lua54.dll, or, worse, one
-- that is another's: the file with a Lua of its own comes first.
local function alone()
  local open = _VERSION == "Lua 5.4"
    and package.loadlib(here .. "camb.dll", "luaopen_camb")
  local ok, camb = pcall(open or error, "camb")
  package.loaded.camb = ok and camb or package.loaded.camb
  return ok and camb
end

local folder = _VERSION == "Lua 5.4" and "lua54" or "lua51"
package.cpath = here .. folder .. "/?.dll;" .. package.cpath
return alone() or require "camb"
