-- Prints which files of a run of specs took the longest, for whoever has to make
-- the whole shorter.

local busted = require "busted"

local SHOWN = 8
local LEAST = 5 -- seconds

local files = {}

busted.subscribe({ "file", "end" }, function(file)
  if file.duration and file.duration >= LEAST then
    files[#files + 1] = file
  end
  return nil, true
end)

busted.subscribe({ "suite", "end" }, function()
  table.sort(files, function(a, b)
    return a.duration > b.duration
  end)
  for i = 1, math.min(SHOWN, #files) do
    print(("%7.1f s %s"):format(files[i].duration, files[i].name))
  end
  return nil, true
end)
