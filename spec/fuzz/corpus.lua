-- The inputs that fuzzing begins with.
--
--   lua5.4 spec/fuzz/corpus.lua unpack NAME FOLDER   one file each, into FOLDER
--   lua5.4 spec/fuzz/corpus.lua pack FOLDER          print those of FOLDER as Lua
--
-- They come from seeds.lua, which people write, and from corpus/NAME.lua, which
-- holds what long runs have found: what libFuzzer's -merge=1 leaves, packed.

local seeds = require "spec.fuzz.seeds"

local function write(path, bytes)
  local file = assert(io.open(path, "wb"))
  assert(file:write(bytes))
  file:close()
end

local function unpack_into(name, folder)
  assert(os.execute(("mkdir -p '%s'"):format(folder)))
  for index, bytes in ipairs(seeds[name] or {}) do
    write(("%s/seed-%03d"):format(folder, index), bytes)
  end
  local found = loadfile("spec/fuzz/corpus/" .. name .. ".lua", "t", {})
  for index, bytes in ipairs(found and found() or {}) do
    write(("%s/found-%03d"):format(folder, index), bytes)
  end
end

local function quote(bytes)
  return '"' .. bytes:gsub('[%c\\"\128-\255]', function(c)
    return ("\\%03d"):format(c:byte())
  end) .. '"'
end

local function pack(folder)
  local lines = {}
  local pipe = assert(io.popen(("ls '%s'"):format(folder)))
  for name in pipe:lines() do
    local file = assert(io.open(folder .. "/" .. name, "rb"))
    lines[#lines + 1] = quote(file:read "*a")
    file:close()
  end
  pipe:close()
  table.sort(lines, function(a, b)
    return #a < #b or (#a == #b and a < b)
  end)
  print("return {\n" .. table.concat(lines, ",\n") .. ",\n}")
end

if arg[1] == "unpack" and arg[3] then
  unpack_into(arg[2], arg[3])
elseif arg[1] == "pack" and arg[2] then
  pack(arg[2])
else
  error("usage: corpus.lua unpack NAME FOLDER | pack FOLDER", 0)
end
