-- Prints how many lines of our sources the specs have run.
--
--   lua5.4 spec/support/coverage.lua c OBJECTS           by gcov
--   lua5.4 spec/support/coverage.lua lua FOLDER FILES…   by coverage.c
--
-- One line for each folder and one for all; with MISSING set, the lines that did
-- not run, too.  Ends with failure below LEAST percent.

local LEAST = 90

local cjson = require "cjson"

-- lines[path][number]: whether it has run; numbers of lines that can run only.
local lines = {}

local function note(path, number, ran)
  lines[path] = lines[path] or {}
  lines[path][number] = lines[path][number] or ran
end

local function output(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read "*a"
  assert(pipe:close(), command)
  return text
end

--- One JSON document for each object that was built, whether it ran or not.
local function read_c(objects)
  local found = output(("find '%s' -name '*.gcno'"):format(objects))
  for notes in found:gmatch "[^\n]+" do
    local report = cjson.decode(output(
      ("gcov --json-format --stdout '%s' 2>/dev/null"):format(notes)))
    for _, file in ipairs(report.files) do
      if file.file:find "^csrc/" then
        for _, line in ipairs(file.lines) do
          note(file.file, line.line_number, line.count > 0)
        end
      end
    end
  end
end

--- The lines with instructions: all but what ends each function by itself.
local function read_lines(path)
  local last
  for line in output("luac5.4 -l -p " .. path):gmatch "[^\n]+" do
    local number, operation = line:match "^\t%d+\t%[(%d+)%]\t(%S+)"
    if number and last then
      note(path, last, false)
    end
    last = operation ~= "VARARGPREP" and tonumber(number) or nil
  end
end

local function read_lua(folder, paths)
  for _, path in ipairs(paths) do
    read_lines(path)
  end
  for line in output(("sort -u '%s'/lua-*"):format(folder)):gmatch "[^\n]+" do
    local path, number = line:match "(lua/camb.*):(%d+)$"
    number = tonumber(number)
    if lines[path] and lines[path][number] ~= nil then
      lines[path][number] = true
    end
  end
end

local function missing(path)
  local numbers = {}
  for number, ran in pairs(lines[path]) do
    if not ran then
      numbers[#numbers + 1] = number
    end
  end
  table.sort(numbers)
  return numbers
end

local function tell(name, ran, count)
  print(("coverage-%s: %.1f %% (%d of %d lines)"):format(name,
    100 * ran / count, ran, count))
end

local function report(total)
  local folders, names = {}, {}
  local all = { ran = 0, count = 0 }
  for path, of_file in pairs(lines) do
    local name = path:match "^(.*)/"
    if not folders[name] then
      folders[name] = { ran = 0, count = 0 }
      names[#names + 1] = name
    end
    for _, ran in pairs(of_file) do
      for _, sum in ipairs { folders[name], all } do
        sum.ran = sum.ran + (ran and 1 or 0)
        sum.count = sum.count + 1
      end
    end
    if os.getenv "MISSING" then
      print(path, table.concat(missing(path), " "))
    end
  end
  table.sort(names)
  for _, name in ipairs(names) do
    tell(name .. "/", folders[name].ran, folders[name].count)
  end
  tell(total, all.ran, all.count)
  return all.ran >= all.count * LEAST / 100
end

local ok
if arg[1] == "c" then
  read_c(arg[2])
  ok = report "csrc"
else
  read_lua(arg[2], table.move(arg, 3, #arg, 1, {}))
  ok = report "lua"
end
os.exit(ok)
