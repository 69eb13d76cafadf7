-- embed.lua FILE…: the Lua files as C, for csrc/single.

local function bytes(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

local list = {}
print('#include "single/single.h"\n')
for i, path in ipairs(arg) do
  local text, numbers = bytes(path), {}
  for at = 1, #text do
    numbers[at] = text:byte(at)
  end
  local name = path:gsub("^lua/", ""):gsub("%.lua$", ""):gsub("/init$", "")
    :gsub("/", ".")
  print(("static const unsigned char file_%d[] = {%s};"):format(i,
    table.concat(numbers, ",")))
  list[i] = ('  {"%s", "%s", file_%d, sizeof file_%d},'):format(name, path, i,
    i)
end
print("\nconst Embedded embedded[] = {\n" .. table.concat(list, "\n")
  .. "\n  {NULL, NULL, NULL, 0}};")
