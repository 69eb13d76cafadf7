--- The part of REAPER's documented API that examples/hosts/reaper.lua calls, for
--- a spec: a track with two selected items of one recording, split at 10 s, and
--- one without a file.  No REAPER is behind it.
---
---   lua spec/support/reaper.lua SCRIPT RECORDING KEY
---
--- Prints the tracks' items: track, position, offset and file.

local script, recording, key = ... -- luacheck: ignore 211
local core = require "camb.core"

local deferred, at_exit, states = {}, {}, { api_key = key }

local function newitem(at, offset)
  return { kind = "MediaItem*", info = { D_POSITION = at, D_LENGTH = 6 },
    take = { kind = "MediaItem_Take*", source = recording,
      info = { D_STARTOFFS = offset, D_PLAYRATE = 1 } } }
end

local selected = { newitem(4, 0.5), { kind = "MediaItem*", info = {} },
  newitem(10, 6.5) }
local tracks = { { kind = "MediaTrack*", name = "mix", items = selected } }
for _, item in ipairs(selected) do
  item.track = tracks[1]
end

local function index_of(track)
  for i, one in ipairs(tracks) do
    if one == track then
      return i
    end
  end
end

local function setter(object, name, value)
  object.info[name] = value
end

local function getter(object, name)
  return object.info[name]
end

reaper = { -- luacheck: ignore 111
  GetExtState = function(section, name)
    assert(section == "camb")
    return states[name] or ""
  end,
  SetExtState = error,
  DeleteExtState = function(section, name, persist)
    assert(section == "camb" and persist)
    states[name] = nil
    io.stderr:write("forgotten: ", name, "\n")
  end,
  GetUserInputs = error,
  ShowConsoleMsg = function(text) io.stderr:write(text) end,
  CountSelectedMediaItems = function() return #selected end,
  GetSelectedMediaItem = function(_, i) return selected[i + 1] end,
  GetActiveTake = function(one) return one.take end,
  GetMediaItemTake_Source = function(take) return take.source end,
  GetMediaSourceFileName = function(source) return source end,
  GetMediaItem_Track = function(one) return one.track end,
  GetMediaTrackInfo_Value = function(track, name)
    assert(name == "IP_TRACKNUMBER") -- from 1
    return index_of(track)
  end,
  GetTrackGUID = function(track) return "{" .. tostring(track) .. "}" end,
  InsertTrackAtIndex = function(i) -- from 0
    table.insert(tracks, i + 1, { kind = "MediaTrack*", items = {} })
  end,
  GetTrack = function(_, i) return tracks[i + 1] end,
  GetSetMediaTrackInfo_String = function(track, name, value)
    assert(name == "P_NAME")
    track.name = value
  end,
  AddMediaItemToTrack = function(track)
    local item = { kind = "MediaItem*", track = track, info = {} }
    table.insert(track.items, item)
    return item
  end,
  AddTakeToMediaItem = function(one)
    one.take = { kind = "MediaItem_Take*", info = {} }
    return one.take
  end,
  ValidatePtr2 = function(project, object, kind)
    return project == 0 and object ~= nil and object.kind == kind
  end,
  PCM_Source_CreateFromFile = function(path) return path end,
  SetMediaItemTake_Source = function(take, source) take.source = source end,
  GetMediaItemInfo_Value = getter,
  SetMediaItemInfo_Value = setter,
  GetMediaItemTakeInfo_Value = getter,
  SetMediaItemTakeInfo_Value = setter,
  file_exists = function(path) return core.stat(path) == "file" end,
  Undo_BeginBlock = function() end,
  Undo_EndBlock = function() end,
  UpdateArrange = function() end,
  defer = function(fn) deferred[#deferred + 1] = fn end,
  atexit = function(fn) at_exit[#at_exit + 1] = fn end,
}

dofile(script)
while #deferred > 0 do -- some thirty times a second
  local now = deferred
  deferred = {}
  for _, fn in ipairs(now) do
    fn()
  end
  core.wait(0.033)
end
for _, fn in ipairs(at_exit) do
  fn()
end
for _, track in ipairs(tracks) do
  for _, one in ipairs(track.items) do
    print(track.name, one.info.D_POSITION, one.take
      and one.take.info.D_STARTOFFS, one.take
      and one.take.source:match "[^/]+$")
  end
end
