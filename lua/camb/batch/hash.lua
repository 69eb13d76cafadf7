--- SHA-256 of a file, in pieces between which other jobs have the time.

local core = require "camb.core"
local scheduler = require "camb.scheduler"

local PIECE = 2 ^ 18

local hash = {}

local SAMPLE = 2048

--- The digits of a sum over the size and a piece from the middle of a file of
--- `size` bytes: where these differ, the files do.  nil when it cannot be read.
---@param path string
---@param size integer
---@return string? digits
function hash.of_piece(path, size)
  local file = io.open(path, "rb")
  if not file then
    return nil
  end
  file:setvbuf("no") -- a buffer would read more than is asked for
  local digest = core.sha256()
  digest:add(("%.0f:"):format(size))
  local at = file:seek("set", math.floor(size / 2))
  digest:add(at and file:read(SAMPLE) or "")
  file:close()
  return digest:finish()
end

--- The digits of the file's SHA-256; nil when it cannot be read, or the running
--- job was cancelled.
---@param client table
---@param path string
---@return string? digits
function hash.of_file(client, path)
  local file = io.open(path, "rb")
  if not file then
    return nil
  end
  local digest = core.sha256()
  local piece = file:read(PIECE)
  while piece do
    digest:add(piece)
    piece = #piece == PIECE and file:read(PIECE) or nil
    if piece and not scheduler.sleep_for(client, 0) then
      file:close()
      return nil
    end
  end
  file:close()
  return digest:finish()
end

return hash
