-- Functions of C that no module needs, by what the linker says that it leaves
-- out of core.so and sandbox/core.so.
--
--   lua5.4 spec/support/dead.lua LOG

local SHARED = "^binding/fields " -- linked into both

local left_out, links = {}, 0
for line in io.lines(arg[1]) do
  local name, file = line:match(
    "removing unused section '%.text%.([^']+)' in file '.-/obj/[^/]+/(.-)%.o'")
  links = links + (line:find "^ *LD " and 1 or 0)
  if name and not name:find "^_" then -- those are of the system's headers
    local key = file .. " " .. name
    left_out[key] = (left_out[key] or 0) + 1
  end
end
assert(links == 2, "two modules have to be linked")

local dead = {}
for key, times in pairs(left_out) do
  if times == links or not key:find(SHARED) then
    dead[#dead + 1] = key
  end
end
table.sort(dead)
for _, key in ipairs(dead) do
  print("nothing calls " .. key)
end
os.exit(#dead == 0)
