--- The page as it is served: items are published as they change, and files may
--- be dropped on it.  The serving is done by threads of camb-sandbox.

local core = require "camb.core"
local page = require "camb.report.page"
local sandbox_core = require "camb.sandbox.core"
local text = require "camb.text"

local live = {}

---@class camb.LivePage
local Live = {}
Live.__index = Live

--- What `sandbox.start` takes to serve a page.
---@param title string
---@param note string   # what becomes of dropped files
---@param folder string? # where they arrive; nil: in the sandbox's data folder
---@return table
function live.options(title, note, folder)
  local html, policy = page.make({ title = title,
    data = { is_live = true, items = {}, note = note } })
  return { html = html, policy = policy, folder = folder,
    is_alone = folder ~= nil }
end

--- The page of a server that was started with such options.
---@param server camb.SandboxServer
---@return camb.LivePage
function live.new(server)
  return setmetatable({ server = server, count = 0, by_key = {} }, Live)
end

--- The item that is known as `key`; `make` gives a new one.
---@param key string
---@param make (fun(): camb.ReportItem)?
---@return camb.ReportItem?
function Live:item(key, make)
  local item = self.by_key[key]
  if not item and make then
    self.count = self.count + 1
    item = make()
    item.id = self.count
    self.by_key[key] = item
  end
  return item
end

-- A new file under the same path is inspected again.
local function track_of(item, stem)
  local path = item[stem] and core.real_path(item[stem])
  if not path then
    return nil
  end
  local _, size, changed = core.stat(path)
  local place = ("%d/%s?v=%.0f-%s"):format(item.id, stem, size or 0,
    text.number(changed or 0))
  local file = (item.source or path):match("[^/]*$")
  if stem ~= "mixture" then
    file = ("%s.%s%s"):format(item.name, stem, path:match("%.%w+$") or "")
  end
  return { stem = stem, url = "audio/" .. place, picture = "picture/" .. place,
    file = file }, path
end

--- Show `item` as it is now.
---@param item camb.ReportItem
function Live:publish(item)
  local tracks, paths = {}, {}
  for _, stem in ipairs(page.TRACKS) do
    tracks[#tracks + 1], paths[stem] = track_of(item, stem)
  end
  local told = page.describe(item, tracks)
  told.id = item.id
  sandbox_core.put(self.server, item.id, page.encode(told), paths.mixture,
    paths.foreground, paths.background)
end

--- The next file that was dropped: where it is now, which is the caller's to
--- remove, and what it is called; nil if there is none.
---@return string? path
---@return string? name
function Live:dropped()
  return sandbox_core.dropped(self.server)
end

return live
