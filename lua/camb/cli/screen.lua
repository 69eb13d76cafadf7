--- The last lines of a terminal, which are drawn over again and again: each
--- frame is one write, so that none is seen half drawn.  What is to stay is
--- written above them.

local columns = require "camb.cli.columns"
local core = require "camb.core"

---@class camb.Screen
local Screen = {}
Screen.__index = Screen

local screen = {}

-- Terminals that know it show a frame when it is complete.
local BEGIN, END = "\27[?2026h", "\27[?2026l"
-- A line that is too long for a terminal that has just shrunk is cut, not
-- wrapped.
local CUT, WRAP = "\27[?7l", "\27[?7h"
local TO_END, BELOW = "\27[K", "\27[J"

-- A terminal that does not say how large it is.
local WIDTH, HEIGHT = 80, 24
-- Spaces before what does not fit into a line of standard output.
local STDOUT, INDENT = 1, 6

--- What is drawn on standard error.
function screen.new()
  return setmetatable({ widths = {} }, Screen)
end

--- Columns and rows that there are now.
---@return integer width
---@return integer height
function Screen.size()
  local width, height = core.terminal_size()
  return width or WIDTH, height and height > 0 and height or HEIGHT
end

--- A line of standard output as its terminal can show it, broken at spaces; as
--- it is elsewhere, for programs.
---@param line string
---@return string
function screen.wrap(line)
  local width = core.is_terminal(STDOUT) and core.terminal_size()
  return width and columns.wrap(line, width, INDENT) or line
end

-- A terminal that shrinks wraps what it shows: how many rows up the first line
-- of the last frame is.
local function rows_above(self, width)
  local rows = -1
  for _, used in ipairs(self.widths) do
    rows = rows + math.max(1, math.ceil(used / width))
  end
  return math.max(rows, 0)
end

--- Draw `lines`, each of which fits the width, in place of the last ones, below
--- `kept`, which stays.
---@param lines string[] # without line breaks; empty: none stay
---@param kept string?   # with a line break at its end
function Screen:draw(lines, kept)
  local up = rows_above(self, (self.size()))
  self.widths = {}
  for i, line in ipairs(lines) do
    self.widths[i] = columns.count((line:gsub("\27%[[%d;]*m", "")))
  end
  io.stderr:write(table.concat({ BEGIN, "\r",
    up > 0 and ("\27[%dA"):format(up) or "",
    kept and BELOW .. kept or "", CUT,
    table.concat(lines, TO_END .. "\n"), BELOW, WRAP, END }))
  io.stderr:flush()
end

return screen
