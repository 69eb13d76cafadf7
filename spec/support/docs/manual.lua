-- The man page of the command, camb(1), in roff.

local cli = require "camb.cli"
local shared = require "spec.support.docs.command"
local status = require "camb.cli.status"

local manual = {}

-- Text as roff takes it: no escape, no request at the beginning of a line.
local function plain(text)
  return (text:gsub("\\", "\\e"):gsub("%-", "\\-"):gsub("%s+", " ")
    :gsub("^([.'])", "\\&%1"))
end

local function flag_words(option)
  local names, argument = shared.flag_names(option)
  for i, name in ipairs(names) do
    names[i] = "\\fB" .. plain(name) .. "\\fR"
  end
  return table.concat(names, ", ") .. (argument and " \\fI" .. argument
    .. "\\fR" or "")
end

local function operand(command)
  return command.argument and (" %s\\fI%s\\fR%s"):format(shared.operand(
    command.argument)) or ""
end

local function add_command(out, command)
  local argument = command.argument
  out[#out + 1] = (".SS camb %s%s"):format(command.name, operand(command))
  out[#out + 1] = plain(command.help)
  if argument then
    out[#out + 1] = (".TP\n\\fI%s\\fR\n%s"):format(argument[1],
      plain(argument[2]))
  end
  for _, option in ipairs(shared.flags_of(command.name)) do
    out[#out + 1] = (".TP\n%s\n%s"):format(flag_words(option),
      plain(option.help .. shared.default_words(option, command.name)))
  end
end

local function add_list(out, list)
  for _, entry in ipairs(list) do
    out[#out + 1] = (".TP\n\\fB%s\\fR\n%s"):format(plain(entry[1]),
      plain(entry[2]))
  end
end

--- Its text.
---@return string
function manual.write()
  local out = { ".TH CAMB 1", ".SH NAME",
    "camb \\- separate recordings into foreground and background",
    ".SH SYNOPSIS" }
  for i, command in ipairs(cli.COMMANDS) do
    out[#out + 1] = (i > 1 and ".br\n" or "") .. ("\\fBcamb %s\\fR "
      .. "[\\fIoptions\\fR]%s"):format(command.name, operand(command))
  end
  out[#out + 1] = ".SH DESCRIPTION"
  out[#out + 1] = plain(cli.SUMMARY .. "  Paths of stems go to standard "
    .. "output, everything else to standard error.")
  out[#out + 1] = ".SH COMMANDS"
  for _, command in ipairs(cli.COMMANDS) do
    add_command(out, command)
  end
  out[#out + 1] = ".SH EXIT STATUS"
  for _, entry in ipairs(status.list()) do
    local kinds = table.concat(entry.kinds, ", ")
    out[#out + 1] = (".TP\n\\fB%d\\fR\n%s."):format(entry.number,
      plain(entry.meaning .. (kinds ~= "" and " (" .. kinds .. ")" or "")))
  end
  out[#out + 1] = ".SH ENVIRONMENT"
  add_list(out, shared.ENVIRONMENT)
  out[#out + 1] = ".SH FILES"
  add_list(out, shared.FILES)
  return table.concat(out, "\n") .. "\n"
end

return manual
