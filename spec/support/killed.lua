--- What has to hold of a batch whose workers were killed, wherever it was.

local assert = require "luassert"
local store = require "camb.store"
local takes = require "spec.support.takes"
local workspace = require "spec.support.workspace"

local killed = {}

-- By file name, how often the service has accepted it.
local function accepted(server)
  local counts = {}
  for _, request in ipairs(server:requests()) do
    if request.method == "POST" and request.status == 200
      and request.path:find("audio%-separation$")
    then
      counts[request.file.name] = (counts[request.file.name] or 0) + 1
    end
  end
  return counts
end

local function check_row(row, count, was_resent)
  local name = row.source:match("[^/]+$")
  local wav = takes.wav(tonumber(name:match("%d+")))
  assert.equal("downloaded", row.state, row.error)
  assert.is_true(count == 1 or was_resent and count == 2,
    ("%s: accepted %d times"):format(name, count))
  assert.equal(wav, workspace.read(row.foreground))
  assert.equal(wav, workspace.read(row.background))
end

--- Check the store at `spec` of `total` takes, whose stems are below `out`.
---@param resent table<string, boolean> # names that were sent again
---@return table<string, boolean> unknown # names of which nobody knows
---@return integer count                  # of these
function killed.check(spec, server, out, total, resent)
  local unknown, lost, rows = {}, 0, 0
  local counts = accepted(server)
  local jobs = assert(store.open(spec))
  for row in jobs:each() do
    local name = row.source:match("[^/]+$")
    local count = counts[name] or 0
    rows = rows + 1
    if row.state == "unknown_outcome" then
      unknown[name], lost = true, lost + 1
      assert.is_true(count <= 1, name)
    else
      check_row(row, count, resent[name])
    end
  end
  jobs:close()
  assert.equal(total, rows)
  assert.equal("", (workspace.run(("find %s -name '*.part'"):format(out))))
  return unknown, lost
end

return killed
