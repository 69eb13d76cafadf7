-- The build as a user sees it: installing, the rocks, the checkout's own
-- environment.  Tagged, as the sanitizers learn nothing from it.

local camb = require "camb"
local sandbox = require "camb.sandbox"
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

local RELEASE = "camb-" .. camb.VERSION

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

workspace.for_file(function(path)
  here = sh("pwd -P"):match "[^\n]+"
  folder = path
end)

describe("make install #build", function()
  local prefix, share, lib, said

  setup(function()
    prefix = folder .. "/usr"
    share = prefix .. "/share/lua/" .. version()
    lib = prefix .. "/lib/lua/" .. version()
    said = make(("install PREFIX='%s'"):format(prefix))
  end)

  it("prints what lets Lua find it where it does not look, and nothing else",
    function()
      local lines = said:match("profile:\n(.*)$")
      local path = workspace.write(folder .. "/lines", lines)
      assert.equal(camb.VERSION .. "\n", sh(("cd / && %ssh -c \". '%s'; "
        .. "%s -e 'print(require([[camb]]).VERSION)'\""):format(CLEAN, path,
        LUA)))
      assert.equal("camb " .. camb.VERSION, (sh(("cd / && %ssh -c \". '%s'; "
        .. "camb --version\""):format(CLEAN, path)):match "^[^\n]*"))
      assert.equal("", sh((". '%s'; %s make -s -C '%s' LUA='%s' BUILD='%s' "
        .. "install PREFIX='%s'"):format(path, CLEAN:gsub("%-u LUA_C?PATH ",
        ""), here, LUA, BUILD, prefix)))
    end)

  it("makes camb requirable from anywhere", function()
    assert.equal(camb.VERSION .. "\n",
      lua(share, lib, 'print(require("camb").VERSION)'))
  end)

  it("installs a command that finds its modules by itself", function()
    assert.equal("camb " .. camb.VERSION, (sh(("cd / && %s'%s/bin/camb' "
      .. "--version"):format(CLEAN, prefix)):match "^[^\n]*"))
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
    assert.falsy(command:find(here .. "/lua", 1, true))
    assert.falsy(command:find(here .. "/build", 1, true))
  end)

  it("generates the documentation elsewhere than in the build", function()
    make(("install DESTDIR='%s/as_root' DOCS='%s/docs'"):format(folder, folder))
    assert.equal(0, select(2, workspace.run(("test ! -e '%s/docs'"):format(
      folder))))
  end)

  it("leaves nothing behind after make uninstall", function()
    local other = folder .. "/other"
    make(("install PREFIX='%s'"):format(other))
    assert.truthy(next(files(other)))
    make(("uninstall PREFIX='%s'"):format(other))
    assert.same({}, files(other))
  end)
end)

describe("the rocks of a release #build", function()
  local source, tree, share, lib, dist
  local available = select(2, workspace.run "command -v luarocks") == 0

  local function rock(name, path, words)
    -- -O0: what is tested here is the recipe, not the code
    sh(("cd '%s' && PATH=%s$PATH %sluarocks --lua-version=%s make "
      .. "--deps-mode=none --tree '%s' '%s/%s-%s-1.rockspec' "
      .. "CFLAGS='-O0 -fPIC' %s"):format(source, path or "", CLEAN, version(),
        tree, dist, name, camb.VERSION, words or ""))
  end

  -- The client's: with a libcurl of its own, and makes that leave a trace.
  local function client_rock()
    sh(([[cd '%s' && mkdir -p own/lib own/bin &&
      ln -s "$(dirname "$(ls -d /usr/include/*/curl /usr/include/curl \
        2>/dev/null | head -1)")" own/include &&
      cp -L "$(ls /usr/lib/*/libcurl.so.4 /usr/lib/libcurl.so.4 2>/dev/null |
        head -1)" own/lib && ln -s libcurl.so.4 own/lib/libcurl.so &&
      for m in make gmake; do
        printf '#!/bin/sh\necho >%s/made; exec /usr/bin/make "$@"\n' > own/bin/$m
      done && chmod +x own/bin/*]]):format(folder, folder))
    rock("camb", folder .. "/own/bin:", "CURL_DIR=" .. folder .. "/own")
  end

  setup(function()
    source, tree = folder .. "/source", folder .. "/tree"
    dist = folder .. "/release/dist"
    share = tree .. "/share/lua/" .. version()
    lib = tree .. "/lib/lua/" .. version()
    make(("dist BUILD='%s/release'"):format(folder))
    sh(("mkdir '%s' && tar -xzf '%s/%s.tar.gz' -C '%s' --strip-components=1")
      :format(source, dist, RELEASE, source))
    if available then
      client_rock()
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
    rock "camb-sandbox"
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

  it("build the client without make", function()
    if not available then return pending "no luarocks" end
    assert.is_nil(workspace.read(folder .. "/made"))
  end)

  it("let the client run with the libcurl of CURL_DIR", function()
    if not available then return pending "no luarocks" end
    local maps = lua(share, lib, [[require "camb"
      for line in io.lines("/proc/self/maps") do
        print(line:match "/%S*libcurl%S*")
      end]])
    assert.truthy(maps:find(folder .. "/own/lib/libcurl.so.4", 1, true))
  end)

  it("take libcurl from CURL_DIR", function()
    if not available then return pending "no luarocks" end
    sh(("mkdir -p '%s/curl/include/curl' '%s/curl/lib' && touch "
      .. "'%s/curl/lib/libcurl.so'"):format(folder, folder, folder))
    workspace.write(folder .. "/curl/include/curl/curl.h",
      '#error "of CURL_DIR"\n')
    local output, status = workspace.run(("cd '%s' && rm -rf build && "
      .. "%sluarocks --lua-version=%s make --deps-mode=none --tree '%s/no' "
      .. "'%s/%s-1.rockspec' CURL_DIR='%s/curl'"):format(source, CLEAN,
        version(), folder, dist, RELEASE, folder))
    assert.not_equal(0, status)
    assert.matches('#error "of CURL_DIR"', output, 1, true)
  end)
end)

describe("a server of a release's rocks #build", function()
  local rocks, service
  local available = select(2, workspace.run "command -v luarocks") == 0

  setup(function()
    rocks, service = folder .. "/rocks", assert(sandbox.start({}))
    make(("dist BUILD='%s/served'"):format(folder))
    if available then
      sh(("mkdir '%s' && cd '%s' && for r in ../served/dist/*.rockspec; do "
        .. "%sluarocks lint $r && %sluarocks pack $r && cp $r . || exit 1; done "
        .. "&& %sluarocks-admin make_manifest ."):format(rocks, rocks, CLEAN,
          CLEAN, CLEAN))
    end
  end)

  teardown(function()
    service:stop()
  end)

  it("holds both of them, under one version", function()
    if not available then return pending "no luarocks" end
    for _, name in ipairs { "camb", "camb-sandbox" } do
      local path = ("%s/%s-%s-1"):format(rocks, name, camb.VERSION)
      assert.truthy(workspace.read(path .. ".rockspec"), path)
      assert.truthy(workspace.read(path .. ".src.rock"), path)
    end
  end)

  for _, number in ipairs { "5.1", "5.2", "5.3", "5.4" } do
    it("gives Lua " .. number .. " a client that separates", function()
      if not available then return pending "no luarocks" end
      local tree = folder .. "/tree" .. number
      sh(("cd / && %sluarocks --lua-version=%s --only-server='%s' install "
        .. "--deps-mode=none --tree '%s' camb CFLAGS='-O0 -fPIC'"):format(CLEAN,
          number, rocks, tree))
      local path = workspace.write(folder .. "/separate.lua", ([[
        local camb = require "camb"
        local client = camb.client({ api_key = "%s", base_url = "%s" })
        local stems = assert(client:separate("%s/spec/fixtures/mix.flac",
          { output_dir = "%s", interval = 0.05, max_attempts = 1000 }))
        print(camb.VERSION, stems.foreground, stems.background)]]):format(
          service.api_key, service.base_url, here, tree))
      for _, name in ipairs { "lua" .. number, number == "5.1" and "luajit"
        or nil } do
        local output = sh(("cd / && %sLUA_PATH='%s/share/lua/%s/?.lua;"
          .. "%s/share/lua/%s/?/init.lua;;' LUA_CPATH='%s/lib/lua/%s/?.so;;' "
          .. "timeout 120 %s '%s' && rm '%s'/*.flac"):format(CLEAN, tree, number,
            tree, number, tree, number, name, path, tree))
        assert.equal(("%s\t%s/mix.foreground.flac\t%s/mix.background.flac\n")
          :format(camb.VERSION, tree, tree), output)
      end
    end)
  end
end)

describe("a build that lacks something #build", function()
  local function says(arguments)
    local output, status = workspace.run(("rm -rf '%s/lacks' && %smake -s "
      .. "-C '%s' BUILD='%s/lacks' %s"):format(folder, CLEAN, here, folder,
        arguments))
    assert.not_equal(0, status)
    return output:match "^[^\n]*"
  end

  it("says that LUA is not there", function()
    for _, goal in ipairs { "install", "core", "all" } do
      assert.equal("LUA=lua5.9 does not run: install it, or name another",
        says(goal .. " LUA=lua5.9 DESTDIR=" .. folder .. "/lacks"))
    end
  end)

  it("says which package brings a header", function()
    for arguments, words in pairs {
      ["core LUA=lua5.4 LUA_CFLAGS="] =
        "lua.h is not found: install liblua5.4-dev",
      ["core LUA=luajit LUA_CFLAGS="] =
        "lua.h is not found: install libluajit-5.1-dev",
      ["core LUA=lua5.4 LUA_CFLAGS=-I/usr/include/lua5.3"] =
        "lua.h is not that of lua5.4: install liblua5.4-dev",
      ["core CORE_CFLAGS=-nostdinc"] =
        "curl/curl.h is not found: install libcurl4-openssl-dev",
      ["sandbox SANDBOX_CFLAGS=-nostdinc"] =
        "microhttpd.h is not found: install libmicrohttpd-dev",
    } do
      assert.equal(words .. ", as Debian calls it", says(arguments))
    end
  end)

  it("makes the client without what only the sandbox needs", function()
    sh(("rm -rf '%s/alone' && %smake -s -C '%s' BUILD='%s/alone' LUA='%s' "
      .. "CFLAGS=-O0 core SANDBOX_CFLAGS=-nostdinc"):format(folder, CLEAN, here,
        folder, LUA))
  end)
end)

describe("the checkout #build", function()
  it("is usable from another folder by make env", function()
    local output = sh(("cd / && eval \"$(%smake -s -C '%s' env LUA='%s' "
      .. "BUILD='%s')\" && %s -e 'print(require(\"camb\").VERSION)' "
      .. "&& camb --version"):format(CLEAN, here, LUA, BUILD, LUA))
    assert.equal(("%s\ncamb %s\n"):format(camb.VERSION, camb.VERSION),
      output:match "^[^\n]*\n[^\n]*\n")
  end)

  it("has a comment at every public function, for make docs", function()
    make(("generated BUILD='%s/docs'"):format(folder))
    local reference = workspace.read(folder .. "/docs/docs/reference.md")
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

describe("make demo #build", function()
  it("says what it does, where to listen and what to try next, in few lines",
    function()
      local build = folder .. "/demo"
      sh(("mkdir '%s' && cp -Rp '%s/obj' '%s/lib' '%s' && rm '%s'/obj/*/core/"
        .. "url.o"):format(build, BUILD, BUILD, build, build))
      local output = sh(("%stimeout 200 make LUA='%s' BUILD='%s' demo"):format(
        CLEAN, LUA, build))
      assert.falsy(output:find("  CC ", 1, true), output)
      assert.truthy(output:find(build .. "/demo/report.html", 1, true), output)
      assert.truthy(workspace.read(build .. "/demo/report.html"))
      local next_lines = output:match "Next,.*"
      for verb in next_lines:gmatch "  camb (%l+)" do
        sh(("'%s/bin/camb' help %s"):format(build, verb))
      end
      assert.truthy(next_lines:find("camb batch FOLDER", 1, true), output)
      assert.is_true(select(2, output:gsub("\n", "")) < 25, output)
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
