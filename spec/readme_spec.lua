-- README's Lua lines run as they stand: each block by itself, in a folder that
-- has a mix.wav, with the key and the address of a sandbox in the environment.

local audio = require "spec.support.audio"
local sandbox = require "camb.sandbox"
local workspace = require "spec.support.workspace"

local LUA = os.getenv "LUA" or "lua5.4"

--- The Lua blocks of a Markdown text, each with its first line's number.
local function blocks(text)
  local found, block, number = {}, nil, 0
  for line in (text .. "\n"):gmatch "(.-)\n" do
    number = number + 1
    if block and line:find "^```%s*$" then
      block.text = table.concat(block, "\n") .. "\n"
      found[#found + 1], block = block, nil
    elseif block then
      block[#block + 1] = line
    elseif line:find "^```lua%s*$" then
      block = { line = number + 1 }
    end
  end
  return found
end

--- How many pairs of stems a block says that it makes.
local function promised(text)
  local _, separations = text:gsub("[.:]separate%f[%W]", "")
  local _, downloads = text:gsub("[.:]download%f[%W]", "")
  local _, patterns = text:gsub(':batch%("%*%.wav"', "")
  return separations + downloads + patterns
end

--- Every pair of stems below a folder, as paths.
local function pairs_of_stems(folder)
  local found = {}
  local list = workspace.run("find '" .. folder .. "' -name '*.foreground.*'")
  for foreground in list:gmatch "[^\n]+" do
    found[#found + 1] = { foreground = foreground,
      background = (foreground:gsub("%.foreground%.", ".background.")) }
  end
  return found
end

local lua_blocks = blocks(workspace.read "README.md" or "")

describe("README.md", function()
  local server, folder

  setup(function()
    server = assert(sandbox.start{ workers = 2 })
  end)

  teardown(function()
    server:stop()
  end)

  before_each(function()
    folder = workspace.folder()
    audio.cut("examples/mix.flac", 6, 3, folder .. "/mix.wav")
  end)

  after_each(function()
    workspace.remove(folder)
  end)

  it("has Lua lines", function()
    assert.is_true(#lua_blocks > 0, "README.md has no ```lua block")
  end)

  for _, block in ipairs(lua_blocks) do
    it(("has Lua at line %d that runs as it stands"):format(block.line),
      function()
        workspace.write(folder .. "/block.lua", block.text)
        local output, status = workspace.run(("cd '%s' && CAMB_BASE_URL='%s' "
          .. "CAMB_API_KEY='%s' timeout 60 %s block.lua"):format(folder,
          server.base_url, server.api_key, LUA))
        assert.equal(0, status, output)
        local made = pairs_of_stems(folder)
        assert.equal(promised(block.text), #made, output)
        for _, stems in ipairs(made) do
          assert.is_nil((audio.compare(folder .. "/mix.wav", stems.foreground,
            stems.background)))
        end
      end)
  end
end)
