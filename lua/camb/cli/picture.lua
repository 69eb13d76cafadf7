--- The lines that a terminal shows while files are under way: one for each, and
--- one for all, as wide as it is.

local columns = require "camb.cli.columns"
local phases = require "camb.cli.phases"
local redact = require "camb.redact"

local picture = {}

-- Columns from which on there is a bar, and the time that is left.
local FOR_BAR, FOR_TIME = 60, 72
local SHORTEST_NAME, LONGEST_NAME = 12, 48

-- Whether the terminal shows more than ASCII.
local function is_utf8()
  for _, name in ipairs({ "LC_ALL", "LC_CTYPE", "LANG" }) do
    local value = os.getenv(name)
    if value and value ~= "" then
      return value:lower():find("utf%-?8") ~= nil
    end
  end
  return false
end

local FULL, EMPTY = "#", "-"
if is_utf8() then
  FULL, EMPTY = "━", "─"
end

local function bar(share, width)
  local full = math.floor((share or 0) * width + 0.5)
  return FULL:rep(full) .. EMPTY:rep(width - full)
end

local function name_width(list, width)
  local longest = 0
  for _, one in ipairs(list) do
    longest = math.max(longest, columns.count(one.label))
  end
  return math.min(longest, math.max(SHORTEST_NAME,
    math.min(LONGEST_NAME, math.floor(width * 0.35))))
end

local function bar_width(width)
  return width >= FOR_BAR and math.min(30, math.floor(width / 6)) or 0
end

local function line_of(one, width, of_name)
  local of_bar = bar_width(width)
  local line = columns.pad(columns.cut_front(one.label, of_name), of_name)
    .. " " .. (of_bar > 0 and bar(one.phase:share(), of_bar) .. " " or "")
  local words = redact.visible(one.phase:words())
  local left = width >= FOR_TIME and one.phase:left()
  if left then
    words = ("%s, %s left"):format(words, phases.clock(left))
  end
  return line .. columns.cut(words, width - columns.count(line))
end

-- One for all.
local function summary(state, width)
  local of_bar = bar_width(width)
  local line = (state.total > 0 and "%d of %d done" or "%d done"):format(
    state.ended - state.failures, state.total)
  if state.failures > 0 then
    line = ("%s, %d failed"):format(line, state.failures)
  end
  line = ("%s, %s"):format(line, phases.clock(state.seconds))
  if state.ended > 0 and state.ended < state.total and width >= FOR_BAR then
    line = ("%s, about %s left"):format(line, phases.clock(state.seconds
      / state.ended * (state.total - state.ended)))
  end
  if of_bar > 0 then
    line = bar(state.total > 0 and state.ended / state.total or 0, of_bar)
      .. " " .. line
  end
  return columns.cut(line, width)
end

--- The lines for `state`: label and phase of each of `active`, and total,
--- ended, failures and seconds of all.
---@param state table
---@param width integer  # columns of the terminal
---@param height integer # rows of it
---@return string[]
function picture.lines(state, width, height)
  width = math.max(width - 1, 8) -- the last column is the terminal's to wrap at
  local lines, shown = {}, {}
  for i = 1, math.min(#state.active, math.max(height - 4, 1)) do
    shown[i] = state.active[i]
  end
  local of_name = name_width(shown, width)
  for i, one in ipairs(shown) do
    lines[i] = line_of(one, width, of_name)
  end
  if #shown < #state.active then
    lines[#lines + 1] = columns.cut(("and %d more"):format(
      #state.active - #shown), width)
  end
  lines[#lines + 1] = summary(state, width)
  return lines
end

return picture
