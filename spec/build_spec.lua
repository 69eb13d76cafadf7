-- The build as a user sees it: installing, the rocks, the checkout's own
-- environment.  Tagged, as the sanitizers learn nothing from it.

local workspace = require "spec.support.workspace"

local LUA = os.getenv "LUA" or "lua5.4"
local BUILD = os.getenv "BUILD" or "build"

-- Another make, which must not take this one's flags for its own, in a shell
-- that finds no camb but the one it is told of.
local CLEAN = "env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS -u LUA_PATH -u LUA_CPATH "

local here, folder

local function sh(command)
  local output, status = workspace.run(command)
  assert(status == 0, command .. "\n" .. output)
  return output
end

local function make(arguments)
  return sh(("%smake -s -C '%s' LUA='%s' BUILD='%s' %s"):format(CLEAN, here,
    LUA, BUILD, arguments))
end

--- Run Lua code far from the checkout, with modules of `share` and `lib` only.
local function lua(share, lib, code)
  local path = workspace.write(folder .. "/code.lua", code)
  return sh(("cd / && %sLUA_PATH='%s/?.lua;%s/?/init.lua;;' "
    .. "LUA_CPATH='%s/?.so;;' %s '%s'"):format(CLEAN, share, share, lib, LUA,
      path))
end

local function version()
  return (_VERSION:match "%d%.%d")
end

--- The files below `path`, relative to it, by name.
local function files(path)
  local found = {}
  local listed = sh(("cd '%s' && find . -type f -o -type l"):format(path))
  for name in listed:gmatch "%./([^\n]+)" do
    found[name] = true
  end
  return found
end

--- What a shared object asks the linker for.
local function needed(path)
  local names = {}
  for name in sh(("readelf -d '%s'"):format(path)):gmatch "NEEDED.-%[(.-)%]" do
    names[#names + 1] = name:match "^[%w_-]+"
  end
  table.sort(names)
  return names
end

local WHICH_MODULES = [[
require "camb"
for name in pairs(package.loaded) do
  if name:find "^camb" then print(name) end
end
]]

setup(function()
  here = sh("pwd -P"):match "[^\n]+"
  folder = workspace.folder()
end)

teardown(function()
  workspace.remove(folder)
end)

describe("make install #build", function()
  local prefix, share, lib

  setup(function()
    prefix = folder .. "/usr"
    share = prefix .. "/share/lua/" .. version()
    lib = prefix .. "/lib/lua/" .. version()
    make(("install PREFIX='%s'"):format(prefix))
  end)

  it("makes camb requirable from anywhere", function()
    assert.equal("dev\n", lua(share, lib, 'print(require("camb").VERSION)'))
  end)

  it("installs a command that finds its modules by itself", function()
    assert.equal("camb dev\n", sh(("cd / && %s'%s/bin/camb' --version"):format(
      CLEAN, prefix)))
  end)

  it("installs the parts of the page that the command writes", function()
    for _, stem in ipairs({ "foreground", "background" }) do
      workspace.write(("%s/x.%s.flac"):format(folder, stem), "fLaC")
    end
    sh(("cd / && %s'%s/bin/camb' report '%s' -o '%s/r.html'"):format(CLEAN,
      prefix, folder, folder))
    assert.matches("^<!doctype html>\n", workspace.read(folder .. "/r.html"))
  end)

  it("installs the sandbox, which require \"camb\" does not load", function()
    lua(share, lib, 'require "camb.sandbox"')
    local loaded = lua(share, lib, WHICH_MODULES)
    assert.truthy(loaded:find("camb.core\n", 1, true))
    assert.falsy(loaded:find("sandbox", 1, true))
  end)

  it("installs a man page that says what each command and option does",
    function()
      local page = workspace.read(prefix .. "/share/man/man1/camb.1")
      for _, words in ipairs { ".SS camb separate", "\\fB\\-\\-deadline\\fR",
        "payment_required", ".SH EXIT STATUS" } do
        assert.truthy(page:find(words, 1, true), words)
      end
    end)

  it("installs definitions for editors that are Lua", function()
    local library = prefix .. "/share/camb/library"
    for _, name in ipairs { "camb", "camb/store", "camb/sandbox",
      "camb/journal", "camb/loop/cqueues" } do
      local path = library .. "/" .. name .. ".lua"
      assert.truthy(loadfile(path), path)
      assert.truthy(workspace.read(path):find("---@meta "
        .. name:gsub("/", "."), 1, true), path)
    end
    assert.truthy(workspace.read(library .. "/camb.lua"):find(
      "---@field output_dir? string", 1, true))
  end)

  it("leaves the checkout and the PREFIX out of what it stages", function()
    local stage = folder .. "/stage"
    make(("install DESTDIR='%s' PREFIX=/opt/camb"):format(stage))
    local command = workspace.read(stage .. "/opt/camb/bin/camb")
    assert.truthy(command:find("/opt/camb/share/lua", 1, true))
    assert.falsy(command:find(stage, 1, true))
    assert.falsy(command:find(here, 1, true))
  end)

  it("leaves nothing behind after make uninstall", function()
    local other = folder .. "/other"
    make(("install PREFIX='%s'"):format(other))
    assert.truthy(next(files(other)))
    make(("uninstall PREFIX='%s'"):format(other))
    assert.same({}, files(other))
  end)
end)

describe("the rocks #build", function()
  local source, tree, share, lib
  local available = select(2, workspace.run "command -v luarocks") == 0

  local function rock(name)
    -- -O0: what is tested here is the recipe, not the code
    sh(("cd '%s' && %sluarocks --lua-version=%s make --deps-mode=none "
      .. "--tree '%s' %s CFLAGS='-O0 -fPIC'"):format(source, CLEAN, version(),
        tree, name))
  end

  setup(function()
    source, tree = folder .. "/source", folder .. "/tree"
    share = tree .. "/share/lua/" .. version()
    lib = tree .. "/lib/lua/" .. version()
    sh(("mkdir '%s' && cp -R Makefile *.rockspec LICENSE lua csrc '%s'"):format(
      source, source))
    if available then
      rock "camb-dev-1.rockspec"
    end
  end)

  it("make camb requirable, without a sandbox", function()
    if not available then return pending "no luarocks" end
    local loaded = lua(share, lib, WHICH_MODULES)
    assert.truthy(loaded:find("camb.core\n", 1, true))
    assert.falsy(loaded:find("sandbox", 1, true))
  end)

  it("link the client with libcurl and nothing else", function()
    if not available then return pending "no luarocks" end
    local names = {}
    for _, name in ipairs(needed(lib .. "/camb/core.so")) do
      if name ~= "libc" and name ~= "ld-linux-x86-64" then
        names[#names + 1] = name
      end
    end
    assert.same({ "libcurl" }, names)
  end)

  it("share out every module of lua/ between them", function()
    if not available then return pending "no luarocks" end
    for name in pairs(files(share)) do
      assert.falsy(name:find "sandbox", name .. " is in the client's rock")
    end
    rock "camb-sandbox-dev-1.rockspec"
    assert.same(files(here .. "/lua"), files(share))
    lua(share, lib, 'require "camb.sandbox"')
  end)

  it("write nothing into the checkout but build/", function()
    if not available then return pending "no luarocks" end
    sh(("rm -rf '%s/build'"):format(source))
    for name in pairs(files(source)) do
      assert.truthy(workspace.read(here .. "/" .. name), name .. " is new")
    end
  end)
end)

describe("the checkout #build", function()
  it("is usable from another folder by make env", function()
    local output = sh(("cd / && eval \"$(%smake -s -C '%s' env LUA='%s' "
      .. "BUILD='%s')\" && %s -e 'print(require(\"camb\").VERSION)' "
      .. "&& camb --version"):format(CLEAN, here, LUA, BUILD, LUA))
    assert.equal("dev\ncamb dev\n", output)
  end)

  it("has a comment at every public function, for make docs", function()
    make(("docs BUILD='%s/docs'"):format(folder))
    local reference = workspace.read(folder .. "/docs/docs/api.md")
    for _, name in ipairs { "camb.separate", "Client:submit", "Task:wait",
      "audio_separation:create_audio_separation", "camb.sandbox.start",
      "camb.journal.open_entries" } do
      assert.truthy(reference:find("### " .. name .. "(", 1, true), name)
    end
    for _, name in ipairs { "Client", "Task", "Job", "Batch", "BatchItem",
      "Store", "Error", "Event", "Loop", "SandboxServer" } do
      assert.truthy(reference:find("\n## " .. name .. "\n", 1, true), name)
    end
  end)
end)

describe("make run-test #build", function()
  it("kills specs that hang, and names the one that ran", function()
    workspace.write(folder .. "/hang_spec.lua", [[
      describe("a spec", function()
        it("ends", function() end)
        it("hangs", function() os.execute("sleep 600") end)
      end)]])
    local output, status = workspace.run(("%stimeout 120 make -s -C '%s' "
      .. "LUA='%s' BUILD='%s' SPECS=%s/hang_spec.lua FILE_LIMIT=3 run-test")
      :format(CLEAN, here, LUA, BUILD, folder))
    assert.equal(2, status)
    assert.matches("was killed after 3 s, in: a spec hangs\n", output, 1, true)
  end)
end)
