--- A source of any size and content, and an engine that costs next to nothing:
--- the stems are the source, and the source with a line behind it, so that
--- neither can be taken for the other.

local luas = require "spec.support.luas"

local copied = {}

--- For the sandbox's option `engine`.
copied.ENGINE = "sh spec/support/copied.sh"

--- A WAV file, of 8 kHz in mono, whose samples are `text` over and over again.
---@param text string
---@param size integer # of the samples, in bytes; it becomes even
---@return string
function copied.source(text, size)
  local samples = text:rep(math.ceil(size / #text)):sub(1, size - size % 2)
  return luas.pack("<c4I4c4c4I4I2I2I4I4I2I2c4I4", "RIFF", 36 + #samples, "WAVE",
    "fmt ", 16, 1, 1, 8000, 16000, 2, 16, "data", #samples) .. samples
end

--- What the stems of `source` are.
---@return { foreground: string, background: string }
function copied.stems(source)
  return { foreground = source, background = source .. "background\n" }
end

return copied
