-- What the installed command `camb` runs.
local ok, problem = pcall(function()
  require("camb.core").end_on_interrupt()
end)
if not ok and tostring(problem):find("interrupted!", 1, true) then
  os.exit(130) -- Lua's words for a Ctrl-C until then
end
assert(ok, problem)
os.exit(require("camb.cli").main(arg), true)
