-- Prints which files of a run of specs took the longest, for whoever has to make
-- the whole shorter; and keeps the title of the one that runs in the file that
-- RUNNING names, for whoever has to end it.

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

local running = os.getenv "RUNNING"
busted.subscribe({ "test", "start" }, function(test, parent)
  local file = running and io.open(running, "w")
  if file then
    file:write(parent.name, " ", test.name, "\n")
    file:close()
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
