--- SHA-256 of a file, in pieces between which other jobs run.

local core = require "camb.core"
local scheduler = require "camb.async.scheduler"

local PIECE = 2 ^ 18

local hash = {}

local SAMPLE = 2048

--- The digits of a sum over the size and a piece from the middle of a file of
--- `size` bytes: if these differ, the files do.  nil when it cannot be read.
---@param path string
---@param size integer
---@return string? digits
function hash.of_piece(path, size)
  local digest = core.sha256(path)
  if not digest then
    return nil
  end
  digest:add(("%.0f:"):format(size))
  local ok = digest:read(math.floor(size / 2), SAMPLE)
  local digits = digest:finish()
  return ok and digits
end

--- The digits of the file's SHA-256; nil when it cannot be read, or the running
--- job was cancelled.
---@param client table
---@param path string
---@return string? digits
function hash.of_file(client, path)
  local digest = core.sha256(path)
  if not digest then
    return nil
  end
  local at, got = 0, digest:read(0, PIECE)
  while got == PIECE do
    at = at + got
    got = scheduler.sleep_for(client, 0) and digest:read(at, PIECE) or nil
  end
  local digits = digest:finish()
  return got and digits
end

return hash
