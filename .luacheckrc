-- What every Lua from 5.1 to 5.4 and LuaJIT has, and of math what a module asks
-- for before it uses it.
std = "min"
max_line_length = 80
read_globals = { math = { fields = { "tointeger", "type" } } }
self = false
ignore = { "581" } -- `not (x > 0)` refuses NaN, `x <= 0` would not

-- The titles of specs are sentences.
files["spec"] = { std = "max+busted", max_line_length = 100 }
files["examples"] = { std = "max" }
-- Globals are what each host gives and asks for.
files["examples/hosts"] = { std = "max", ignore = { "1" } }
files["spec/hosts"] = { std = "max", ignore = { "1" } }
files["spec/fuzz/corpus"] = { max_line_length = false }
-- What the program sets, and what it calls.
files["spec/torture"] = { std = "max", max_line_length = 100, ignore = { "1" } }
