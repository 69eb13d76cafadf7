-- alone.lua [LOADER]: what can be tried of camb where no sandbox runs.  LOADER is
-- the load.lua of the zip for Windows.

if arg[1] then
  dofile(arg[1])
end
local camb = require "camb"
local core = require "camb.core"

local client = camb.client({ base_url = "http://127.0.0.1:1/apis",
  api_key = "none", retries = 0 })
local before = core.now()
local stems, err = client:separate("spec/fixtures/mix.flac")
assert(not stems and err.kind == "network", tostring(err))
assert(core.now() - before < 8)
stems, err = client:separate("spec/fixtures/nothing.flac")
assert(not stems and err.kind == "file", tostring(err))
local part = assert(core.part("alone"))
assert(select(3, core.part("alone")), "a part is not locked")
part:close()
assert(not core.stat("alone.part"))
assert(core.append("alone.log", "a line\n"))
assert(os.remove("alone.log"))
client:close()
print(("camb %s, %s, %s"):format(camb.VERSION, _VERSION, (core.versions())))
