--- The command in a real pseudo terminal, by script(1) and stty(1), and what a
--- terminal of that size shows of it.

local workspace = require "spec.support.workspace"

local terminal = {}

--- A shell line that runs `command` in a terminal of `width` columns.  Its
--- output comes to `log`, the terminal's name to `log`.tty; `keys` is a shell
--- command whose output is typed.
---@param command string # without single quotes
function terminal.line(command, width, log, keys)
  return ("{ %s; } | timeout 120 script -qefc 'stty cols %d rows 24; tty > "
    .. "%s.tty; exec %s' %s >/dev/null"):format(keys or "sleep 100", width, log,
    command, log)
end

-- How many columns a character takes; those of the specs are told apart by
-- their first byte: U+3000 to U+D7FF are wide, U+0300 to U+033F have none.
local function width_of(character)
  local first = character:byte()
  if first == 0xCC then
    return 0
  end
  return first >= 0xE3 and first <= 0xED and 2 or 1
end

local function put(state, character)
  local width = width_of(character)
  if state.column + width > state.width then
    if not state.wraps then
      state.lost = true
      return
    end
    state.row, state.column = state.row + 1, 0
  end
  local row = state.rows[state.row] or {}
  state.rows[state.row] = row
  if width == 0 then
    row[state.column] = (row[state.column] or "") .. character
    return
  end
  row[state.column + 1] = character
  if width == 2 then
    row[state.column + 2] = ""
  end
  state.column = state.column + width
end

local function erase_line(state)
  local row = state.rows[state.row] or {}
  for column = state.column + 1, state.width do
    row[column] = nil
  end
end

local COMMANDS = {
  A = function(state, n)
    state.row = math.max(state.row - math.max(tonumber(n) or 1, 1), 1)
  end,
  K = erase_line,
  J = function(state, n)
    assert(n == "", "the whole screen is cleared")
    erase_line(state)
    for row = state.row + 1, #state.rows do
      state.rows[row] = nil
    end
  end,
  h = function(state, n)
    state.wraps = state.wraps or n == "?7"
  end,
  l = function(state, n)
    if n == "?7" then
      state.wraps = false
    end
  end,
  m = function() end,
}

local function text_of(row, width)
  local out = {}
  for column = 1, width do
    out[column] = row[column] or " "
  end
  return (table.concat(out):gsub(" +$", ""))
end

--- What a terminal of `width` columns shows of `bytes`: its lines, from the
--- first on, and whether one had no room for what was written.
---@return string[] lines
---@return boolean is_lost
function terminal.show(bytes, width)
  local state = { rows = {}, row = 1, column = 0, width = width, wraps = true }
  local at = 1
  while at <= #bytes do
    local parameters, command, behind = bytes:match("^\27%[([%d;?]*)(%a)()", at)
    if command then
      assert(COMMANDS[command], "an unknown sequence: " .. command)(state,
        parameters)
      at = behind
    elseif bytes:sub(at, at) == "\r" then
      state.column, at = 0, at + 1
    elseif bytes:sub(at, at) == "\n" then
      state.row, at = state.row + 1, at + 1
      state.rows[state.row] = state.rows[state.row] or {}
    else
      local character = bytes:match("^[%z\1-\127\192-\255][\128-\191]*", at)
      put(state, character)
      at = at + #character
    end
  end
  local lines = {}
  for row = 1, #state.rows do
    lines[row] = text_of(state.rows[row] or {}, width)
  end
  return lines, state.lost == true
end

--- The bytes of a log of script's, without its own lines.
function terminal.read(log)
  return ((workspace.read(log) or ""):gsub("^Script started[^\n]*\n", "")
    :gsub("\n?Script done[^\n]*\n$", ""))
end

--- The frames in `bytes`: each is drawn as a whole.
---@return string[]
function terminal.frames(bytes)
  local frames = {}
  for frame in bytes:gmatch("\27%[%?2026h(.-)\27%[%?2026l") do
    frames[#frames + 1] = frame
  end
  return frames
end

--- The most columns that a line of the frame takes.
function terminal.width(frame)
  local most = 0
  for line in frame:gsub("\27%[[%d;?]*%a", ""):gmatch("[^\r\n]+") do
    local width = 0
    for character in line:gmatch("[%z\1-\127\192-\255][\128-\191]*") do
      width = width + width_of(character)
    end
    most = math.max(most, width)
  end
  return most
end

return terminal
