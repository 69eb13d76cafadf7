--- REAPER: the stems of the selected items, on two new tracks below theirs.
--- They lie beside each recording, and are placed at once if they are there
--- already.  Actions, Show action list, New action, Load ReaScript.
---
--- REAPER keeps its Lua to itself, so that it needs a module that does, too, or
--- camb as a process: see doc/hosts.md.

-- Beside this script lies camb.so, or the folder camb of the zip for Windows.
local folder = debug.getinfo(1, "S").source:match "^@(.*[/\\])" or "./"
package.cpath = folder .. "?.so;" .. package.cpath
local load_zip = loadfile(folder .. "camb/load.lua")
local camb = load_zip and load_zip() or require "camb"

local function say(words)
  reaper.ShowConsoleMsg(words .. "\n")
end

-- A program that no shell has started has no CAMB_API_KEY.
local function find_key()
  local key = reaper.GetExtState("camb", "api_key")
  if key == "" then
    local ok, typed = reaper.GetUserInputs("CAMB.AI", 1,
      "API key:,extrawidth=200", "")
    key = ok and typed or ""
    reaper.SetExtState("camb", "api_key", key, true)
  end
  return key ~= "" and key
end

-- The selected items by their recordings, each of which is paid for once,
-- however often it was split.
local function selected()
  local takes_of, paths = {}, {}
  for i = 0, reaper.CountSelectedMediaItems(0) - 1 do
    local item = reaper.GetSelectedMediaItem(0, i)
    local take = reaper.GetActiveTake(item)
    local source = take and reaper.GetMediaItemTake_Source(take)
    local path = source and reaper.GetMediaSourceFileName(source) or ""
    if path == "" then
      say("An item has no file of its own: glue it first.")
    elseif takes_of[path] then
      table.insert(takes_of[path], { item = item, take = take })
    else
      takes_of[path] = { { item = item, take = take } }
      paths[#paths + 1] = path
    end
  end
  return paths, takes_of
end

local new_tracks = {}

local function track_below(track, title)
  local key = reaper.GetTrackGUID(track) .. title
  if not reaper.ValidatePtr2(0, new_tracks[key], "MediaTrack*") then
    local at = reaper.GetMediaTrackInfo_Value(track, "IP_TRACKNUMBER")
    reaper.InsertTrackAtIndex(at, true)
    new_tracks[key] = reaper.GetTrack(0, at)
    reaper.GetSetMediaTrackInfo_String(new_tracks[key], "P_NAME", title, true)
  end
  return new_tracks[key]
end

-- The item again, with another file, on a track below its own.
local function place(item, take, file, title)
  local new = reaper.AddMediaItemToTrack(track_below(
    reaper.GetMediaItem_Track(item), title))
  local new_take = reaper.AddTakeToMediaItem(new)
  reaper.SetMediaItemTake_Source(new_take,
    reaper.PCM_Source_CreateFromFile(file))
  for _, name in ipairs { "D_POSITION", "D_LENGTH" } do
    reaper.SetMediaItemInfo_Value(new, name,
      reaper.GetMediaItemInfo_Value(item, name))
  end
  for _, name in ipairs { "D_STARTOFFS", "D_PLAYRATE" } do
    reaper.SetMediaItemTakeInfo_Value(new_take, name,
      reaper.GetMediaItemTakeInfo_Value(take, name))
  end
end

-- What was deleted, or is in a project that is not shown, is left alone.
local function place_all(takes, stems)
  reaper.Undo_BeginBlock()
  for _, one in ipairs(takes) do
    if reaper.ValidatePtr2(0, one.item, "MediaItem*")
      and reaper.ValidatePtr2(0, one.take, "MediaItem_Take*")
    then
      place(one.item, one.take, stems.background, "music")
      place(one.item, one.take, stems.foreground, "voice")
    end
  end
  reaper.Undo_EndBlock("Separate by CAMB.AI", -1)
  reaper.UpdateArrange()
end

local function stems_beside(path)
  for _, extension in ipairs { "flac", "wav" } do
    local base = path:gsub("%.[^./\\]*$", "")
    local stems = { foreground = base .. ".foreground." .. extension,
      background = base .. ".background." .. extension }
    if reaper.file_exists(stems.foreground)
      and reaper.file_exists(stems.background)
    then
      return stems
    end
  end
end

local client
local left = 0

local function separate(path, takes)
  local name, last = path:match "[^/\\]+$", nil
  left = left + 1
  camb.spawn(client.separate, client, path, {
    output_dir = path:match "^(.*[/\\])", on_event = function(event)
      if event.name ~= last and event.name ~= "failed" then -- each step once
        say(name .. ": " .. event.sentence)
      end
      last = event.name
    end }):on_done(function(stems, err)
    left = left - 1
    if stems then
      return place_all(takes, stems)
    end
    say(err.exists and not err.task_id and err.path
      .. " is in the way: move it away, then run this again" or err.message)
    if err.kind == "authentication" then -- it is asked for again
      reaper.DeleteExtState("camb", "api_key", true)
    end
  end)
end

local function tick()
  client:step(0)
  if left > 0 then
    reaper.defer(tick)
  end
end

local paths, takes_of = selected()
local unknown = {}
for _, path in ipairs(paths) do
  local stems = stems_beside(path)
  if stems then
    place_all(takes_of[path], stems)
  else
    unknown[#unknown + 1] = path
  end
end
local key = #unknown > 0 and find_key()
if key then
  client = camb.client({ api_key = key })
  reaper.atexit(function()
    client:close()
  end)
  for _, path in ipairs(unknown) do
    separate(path, takes_of[path])
  end
  tick()
end
