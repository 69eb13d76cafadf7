-- The examples of README.md and of doc/ run as they stand: each ```lua block by
-- itself, and each ```sh block of doc/, in a folder that has mix.wav and takes/,
-- with the key and the address of a sandbox in the environment.  And the book
-- that `make docs` makes of them.

local audio = require "spec.support.audio"
local cjson = require "cjson"
local browser = require "spec.support.browser"
local docs = require "spec.support.docs.command"
local sandbox = require "camb.sandbox"
local workspace = require "spec.support.workspace"

local LUA = os.getenv "LUA" or "lua5.4"
local BUILD = os.getenv "BUILD" or "build"

local function lines_of(command)
  local found = {}
  for line in workspace.run(command):gmatch "[^\n]+" do
    found[#found + 1] = line
  end
  return found
end

local FILES = lines_of "ls README.md doc/*.md"

--- The blocks of a language in a Markdown text, each with its first line's
--- number.
local function blocks(text, language)
  local found, block, number = {}, nil, 0
  for line in (text .. "\n"):gmatch "(.-)\n" do
    number = number + 1
    if block and line:find "^```%s*$" then
      block.text = table.concat(block, "\n") .. "\n"
      found[#found + 1], block = block, nil
    elseif block then
      block[#block + 1] = line
    elseif line:match "^```(%w+)%s*$" == language then
      block = { line = number + 1 }
    end
  end
  return found
end

-- What makes a pair of stems, or two of the folder.  The pattern stands in code,
-- not behind "camb download" in a message.
local function promised(text)
  local code = text:gsub('"[^"]*camb download[^"]*"', "")
  local _, separations = code:gsub("[.:]separate%f[%W]", "")
  local _, downloads = code:gsub("[.:]download%f[%W]", "")
  local _, failures = code:gsub('separate%("missing', "")
  local _, folders = code:gsub(':batch%("takes"', "")
  return separations + downloads - failures + 2 * folders
end

local SOURCES = { one = "takes/one.wav", two = "takes/two.wav" }

--- Every pair of stems below a folder, with the recording that they sum to.
local function pairs_of_stems(folder)
  local found = {}
  for _, foreground in ipairs(lines_of("find '" .. folder
    .. "' -name '*.foreground.*'"))
  do
    local name = foreground:match "([^/-]+)%.foreground%." -- behind a date
    found[#found + 1] = { foreground = foreground,
      source = folder .. "/" .. (SOURCES[name] or "mix.wav"),
      background = (foreground:gsub("%.foreground%.", ".background.")) }
  end
  return found
end

local server

-- Begin to run a block in a folder of its own.
local function begin(block, command)
  local folder = workspace.folder()
  assert(os.execute(("mkdir '%s/takes'"):format(folder)))
  audio.cut("examples/mix.flac", 6, 3, folder .. "/mix.wav")
  audio.cut("examples/mix.flac", 2, 2, folder .. "/takes/one.wav")
  audio.cut("examples/mix.flac", 8, 2, folder .. "/takes/two.wav")
  workspace.write(folder .. "/block", block.text)
  os.execute(("cd '%s' && (CAMB_BASE_URL='%s' CAMB_API_KEY='%s' timeout 120 %s "
    .. "block > output 2>&1; echo $? > status.new; mv status.new status) &")
    :format(folder, server.base_url, server.api_key, command))
  block.folder = folder
end

local function wait_for_end(block)
  return workspace.wait_for("the end of the block", function()
    return workspace.read(block.folder .. "/status")
  end, 130)
end

-- Every pair of stems that it made, and what it printed.
local function finish(block)
  local status = wait_for_end(block)
  local output = workspace.read(block.folder .. "/output")
  assert.equal("0\n", status, output)
  local made = pairs_of_stems(block.folder)
  for _, stems in ipairs(made) do
    assert.is_nil((audio.compare(stems.source, stems.foreground,
      stems.background)))
  end
  return made, output
end

for _, file in ipairs(FILES) do
  local text = workspace.read(file)
  local in_lua = blocks(text, "lua")
  -- those of README.md are for a person's own files
  local in_shell = file ~= "README.md" and blocks(text, "sh") or {}

  -- All of a chapter at the same time, as most of that is waiting.
  describe("the examples of " .. file .. " #slow", function()
    setup(function()
      server = assert(sandbox.start{ workers = 2 })
      for _, block in ipairs(in_lua) do
        begin(block, LUA)
      end
      for _, block in ipairs(in_shell) do
        begin(block, "sh -e")
      end
    end)

    teardown(function()
      for _, list in ipairs { in_lua, in_shell } do
        for _, block in ipairs(list) do
          wait_for_end(block)
          workspace.remove(block.folder)
        end
      end
      server:stop()
    end)

    for _, block in ipairs(in_lua) do
      it("run as they stand, Lua in line " .. block.line, function()
        local made, output = finish(block)
        assert.equal(promised(block.text), #made, output)
      end)
    end
    for _, block in ipairs(in_shell) do
      it("run as they stand, shell in line " .. block.line, function()
        local _, output = finish(block)
        assert.is_true(#lines_of(("find '%s' -name '*.background.*'"):format(
          block.folder)) > 0, output)
      end)
    end
  end)
end

describe("the examples", function()
  it("are in every chapter for users", function()
    for _, file in ipairs { "README.md", "doc/guide.md", "doc/operating.md",
      "doc/errors.md", "doc/from-python.md", "doc/sandbox.md" }
    do
      assert.is_true(#blocks(workspace.read(file), "lua") > 0, file)
    end
  end)
end)

describe("the documentation", function()
  -- Every flag and every verb of the command.
  local function known()
    local flags, verbs = { ["--help"] = true }, {}
    for _, entry in ipairs(require("camb.cli").COMMANDS) do
      verbs[entry.name] = true
      for _, option in ipairs(docs.flags_of(entry.name)) do
        for _, name in ipairs((docs.flag_names(option))) do
          flags[name] = true
        end
      end
    end
    return flags, verbs
  end

  -- The lines of camb in a text, and what stands as code in its sentences; of a
  -- table that compares (no other is as wide), only what is in camb's column.
  local function code_of(file)
    local spans, text = {}, workspace.read(file)
    for _, language in ipairs { "sh", "console" } do
      for _, block in ipairs(blocks(text, language)) do
        for line in block.text:gmatch "%f[^\n%z]%$? ?(camb [^\n#]+)" do
          spans[#spans + 1] = line
        end
      end
    end
    for line in (text .. "\n"):gmatch "(.-)\n" do
      if file == "doc/comparison.md" or select(2, line:gsub("|", "")) > 5 then
        line = line:match "^|[^|]*(|[^|]*)|" or ""
      end
      for span in line:gmatch "`([^`]+)`" do
        spans[#spans + 1] = span
      end
    end
    return spans
  end

  for _, file in ipairs(FILES) do
    it("names verbs and flags of the command that it has, in " .. file,
      function()
        local flags, verbs = known()
        for _, span in ipairs(code_of(file)) do
          local verb = span:match "^camb (%l+)"
          assert.is_true(not verb or verbs[verb] or false, span)
          if verb or span:find "^%-%-%l" then
            for flag in span:gmatch "%f[%w-]%-%-%l[%l-]+" do
              assert.is_true(flags[flag] or false, flag .. " in: " .. span)
            end
          end
        end
      end)
  end
end)

describe("the settings for lua-language-server", function()
  it("name the folder where make install puts the definitions", function()
    local block = blocks(workspace.read "doc/guide.md", "json")[1]
    assert.equal("/usr/local/share/camb/library",
      cjson.decode(block.text)["workspace.library"][1])
    local output = workspace.run(("make -n install-docs BUILD='%s' "
      .. "PREFIX=/usr/local DESTDIR="):format(BUILD))
    assert.truthy(output:find("/usr/local/share/camb/library/$f", 1, true))
  end)
end)

describe("the promises", function()
  it("name specs that exist", function()
    local count = 0
    for name in workspace.read("doc/promises.md"):gmatch "`([%w_]+_spec)`" do
      assert.truthy(workspace.read("spec/" .. name .. ".lua"), name)
      count = count + 1
    end
    assert.is_true(count > 30)
  end)
end)

describe("make docs #build", function()
  local folder

  local function make(words)
    return workspace.run(("env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS timeout 300 "
      .. "make -s LUA='%s' BUILD='%s' %s 2>&1"):format(LUA, folder, words))
  end

  setup(function()
    folder = workspace.folder()
    -- what is built need not be built again
    workspace.run(("cp -Rp '%s/obj' '%s/lib' '%s'"):format(BUILD, BUILD, folder))
  end)

  teardown(function()
    workspace.remove(folder)
  end)

  it("makes a book in which a page finds words, also from a file", function()
    if not browser.is_there() then return pending "no Chromium" end
    local output, status = make "docs"
    assert.equal(0, status, output)
    local page = browser.open()
    local ok, problem = pcall(function()
      page:go("file://" .. folder .. "/docs/book/search.html?q=lease")
      page:wait_for("document.querySelectorAll('ul.search li a').length > 1")
      local found = page:run("return document.querySelector('ul.search')"
        .. ".textContent")
      assert.truthy(found:find("Operating a batch", 1, true), found)
      assert.truthy(found:find("Reference", 1, true), found)
      page:run("document.querySelector('ul.search li a').click()")
      page:wait_for("document.querySelector('h1')")
    end)
    page:close()
    assert(ok, problem)
  end)

  for title, link in pairs {
    ["a file that is not there"] = "nowhere.md",
    ["a heading that is not there"] = "guide.md#nowhere",
    ["a heading of the same page that is not there"] = "#nowhere",
    ["an example that is not there"] = "../examples/nowhere.lua",
  } do
    it("fails for a link to " .. title, function()
      local source = workspace.folder()
      workspace.run(("cp -R doc examples *.md LICENSE '%s'"):format(source))
      workspace.write(source .. "/doc/index.md", ("# x\n\n[x](%s)\n"):format(
        link))
      local output, status = workspace.run(("sphinx-build -q -W -c doc '%s' "
        .. "'%s/book' '%s/doc/index.md' '%s/doc/guide.md'"):format(source,
        source, source, source))
      workspace.remove(source)
      assert.not_equal(0, status, output)
    end)
  end
end)
