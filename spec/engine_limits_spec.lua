-- The limits of a source that whoever runs the engine may set.

local audio = require "spec.support.audio"
local engine = require "spec.support.engine"
local workspace = require "spec.support.workspace"

local SECONDS = 3

local folder, cut

workspace.for_file(function(path)
  folder = path
  cut = audio.cut("examples/mix.flac", 3, SECONDS, folder .. "/cut.wav")
end)

local function make(name, arguments)
  return audio.make("-i " .. cut .. " " .. arguments, folder .. "/" .. name)
end

local function separate(path, words)
  return engine.separate(path, folder .. "/foreground.flac",
    folder .. "/background.flac", words)
end

local function is_refused(path, words, reason, message)
  local figures, why, sentence = separate(path, words)
  assert.is_nil(figures)
  assert.equal(reason, why)
  assert.equal(message, sentence)
  assert.is_nil(workspace.read(folder .. "/foreground.flac"))
  assert.is_nil(workspace.read(folder .. "/background.flac"))
end

describe("a limit in seconds", function()
  -- ADTS says nothing of its length: that is found on the way.
  for name, arguments in pairs{ ["wav"] = "", ["flac"] = "", ["mp3"] = "",
    ["m4a"] = "-c:a aac", ["aac"] = "-c:a aac -f adts", ["ogg"] = "" } do
    it("refuses a longer source: " .. name, function()
      is_refused(make("long." .. name, arguments), "--max-seconds 2.9",
        "SOURCE_TOO_LONG",
        "the source is longer than the limit of 2.9 seconds")
    end)
  end

  it("takes a source that is exactly so long", function()
    for _, name in ipairs{ "wav", "flac", "mp3" } do
      local figures = assert(separate(make("exact." .. name, ""),
        "--max-seconds " .. SECONDS))
      assert.equal(SECONDS * figures.rate, figures.samples)
    end
  end)

  it("holds for what is there where the header says less", function()
    local bytes = workspace.read(make("lies.flac", "-c:a flac"))
    local head = bytes:sub(1, 21) -- the stream's total is 36 bits from here on
    local path = workspace.write(folder .. "/lies.flac", head
      .. string.char(bytes:byte(22) - bytes:byte(22) % 16) .. ("\0"):rep(2) .. "\172\68"
      .. bytes:sub(27))
    is_refused(path, "--max-seconds 2", "SOURCE_TOO_LONG",
      "the source is longer than the limit of 2 seconds")
  end)
end)

describe("a limit in bytes", function()
  it("refuses a larger file before it is opened", function()
    local size = #workspace.read(cut)
    is_refused(cut, "--max-bytes " .. size - 1, "SOURCE_TOO_LARGE",
      ("the source has %d bytes; the limit is %d"):format(size,
        size - 1))
  end)

  it("takes a file of that size", function()
    assert(separate(cut, "--max-bytes " .. #workspace.read(cut)))
  end)
end)
