-- Require the module of every file of lua/ named on the command line, each in a
-- state without the others: a module must not need what another one loaded.
-- Other files are only read.

local function forget_own_modules()
  for name in pairs(package.loaded) do
    if name:find "^camb" and not name:find "core$" then
      package.loaded[name] = nil
    end
  end
end

-- Other people's loops, which not every Lua has packages of.
local HOSTS = { ["camb.loop.copas"] = "copas", ["camb.loop.cqueues"] = "cqueues",
  ["camb.loop.luv"] = "luv", ["camb.loop.ngx"] = "ngx" }

local function runs_here(name)
  return name ~= "camb.cli.command" -- it would run
    and (not HOSTS[name] or pcall(require, HOSTS[name]))
end

for _, path in ipairs(arg) do
  local name = path:gsub("^lua/", ""):gsub("%.lua$", ""):gsub("/init$", "")
    :gsub("/", ".")
  if path:find "^lua/" and runs_here(name) then
    forget_own_modules()
    require(name)
  else
    assert(loadfile(path))
  end
end
