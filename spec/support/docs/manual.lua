-- The man page of the command, camb(1), in roff.

local cli = require "camb.cli"
local options = require "camb.options"
local sandbox_options = require "camb.sandbox.options"
local status = require "camb.cli.status"

local manual = {}

-- Text as roff takes it: no escape, no request at the beginning of a line.
local function plain(text)
  return (text:gsub("\\", "\\e"):gsub("%-", "\\-"):gsub("%s+", " ")
    :gsub("^([.'])", "\\&%1"))
end

local function flag_words(option)
  local names, argument = option.flag:match "^(.-) (%u+)$"
  local words = {}
  for name in (names or option.flag):gmatch "%S+" do
    words[#words + 1] = "\\fB" .. plain(name) .. "\\fR"
  end
  return table.concat(words, ", ") .. (argument and " \\fI" .. argument
    .. "\\fR" or "")
end

-- What the command has by default, if the text does not say it.
local function default_words(option, command)
  local default = option.flag_default or options.default(option, command)
  if default == nil or default == false or default == true
    or option.help:find("Default:", 1, true)
  then
    return ""
  end
  return ("  Default: %s%s."):format(tostring(default), option.unit
    and " " .. option.unit or "")
end

local function flags_of(command)
  local found = {}
  for _, list in ipairs({ options.all(), sandbox_options.START,
    sandbox_options.SERVE })
  do
    for _, option in ipairs(options.flags(command, list)) do
      found[#found + 1] = option
    end
  end
  return found
end

local function add_command(out, command)
  local argument = command.argument
  out[#out + 1] = (".SS camb %s%s"):format(command.name, argument
    and (" \\fI%s\\fR..."):format(argument[1]) or "")
  out[#out + 1] = plain(command.help)
  if argument then
    out[#out + 1] = (".TP\n\\fI%s\\fR\n%s"):format(argument[1],
      plain(argument[2]))
  end
  for _, option in ipairs(flags_of(command.name)) do
    out[#out + 1] = (".TP\n%s\n%s"):format(flag_words(option),
      plain(option.help .. default_words(option, command.name)))
  end
end

local ENVIRONMENT = {
  { "CAMB_API_KEY", "The key of your account, if --api-key is not given." },
  { "CAMB_BASE_URL", "Where the service is, if --base-url is not given." },
  { "HTTPS_PROXY, http_proxy, ALL_PROXY, NO_PROXY", "The proxy, if --proxy "
    .. "is not given, and the hosts that are reached without one." },
  { "CURL_CA_BUNDLE, SSL_CERT_FILE", "Certificates to trust, if --ca-file is "
    .. "not given." },
  { "PGPASSWORD", "The password of a PostgreSQL store." },
}

local FILES = {
  { "DIR/.camb-journal", "Tasks that are paid for and whose stems are not yet "
    .. "in the folder DIR.  It is removed once they are." },
}

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
      .. "[\\fIoptions\\fR]%s"):format(command.name, command.argument
      and (" \\fI%s\\fR..."):format(command.argument[1]) or "")
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
  add_list(out, ENVIRONMENT)
  out[#out + 1] = ".SH FILES"
  add_list(out, FILES)
  return table.concat(out, "\n") .. "\n"
end

return manual
