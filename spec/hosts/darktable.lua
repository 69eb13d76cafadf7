-- darktable-cli ends as soon as Lua leaves it the time, so that it is not left:
-- nothing else runs here that could be late.
package.path = "/camb/spec/hosts/?.lua;" .. package.path
local core = require "camb.core"
local late = require "late"
package.loaded.darktable = setmetatable({ control = { sleep = function(ms)
  core.wait(ms / 1000)
end } }, { __index = require "darktable" })

late.begin()
dofile("/camb/examples/hosts/darktable.lua").separate {
  { path = "/take/out", filename = "take.png" } }
late.report "separate()"
