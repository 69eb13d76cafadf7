-- Require the module of every Lua file named on the command line, each in a
-- state without the others: a module must not need what another one loaded.

local function forget_own_modules()
  for name in pairs(package.loaded) do
    if name:find "^camb" and not name:find "core$" then
      package.loaded[name] = nil
    end
  end
end

for _, path in ipairs(arg) do
  local name = path:gsub("^lua/", ""):gsub("%.lua$", ""):gsub("/init$", "")
    :gsub("/", ".")
  if name == "camb.cli.command" then -- it would run
    assert(loadfile(path))
  else
    forget_own_modules()
    require(name)
  end
end
