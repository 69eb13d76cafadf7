--- The command line: `camb separate`, `camb download`, `camb batch`,
--- `camb report` and `camb serve`.

local argparse = require "argparse"
local camb = require "camb"
local core = require "camb.core"
local options = require "camb.options"
local redact = require "camb.redact"
local status = require "camb.cli.status"
local words = require "camb.words"

local cli = {}

-- The sandbox's part of the table, if it is installed.
local has_sandbox, sandbox_options = pcall(require, "camb.sandbox.options")

-- The value of the option `name`, as the shell gives it: its rule says what is
-- wrong.  Only a number is quoted; of others some are secrets.
local function converter(name, rule)
  return function(text)
    local value = text
    if rule.type == "number" then
      value = tonumber(text)
      if not value then
        return nil, ("%s: '%s' is not a number"):format(name,
          redact.visible(text))
      elseif rule.of == "integer" and math.tointeger then
        value = math.tointeger(value) or value
      end
    end
    local problem = rule.check and rule.check(value)
    if problem then
      return nil, ("%s %s"):format(name, problem)
    end
    return value
  end
end

-- The first sentence of an option's help, and its default.
local function summary(option, command)
  local text = option.help:match("^(.-%.)%s%s") or option.help
  local default = option.flag_default or options.default(option, command)
  if default and default ~= true then
    text = ("%s Default: %s%s."):format(text,
      type(default) == "string" and '"' .. default .. '"' or default,
      option.unit and " " .. option.unit or "")
  elseif option.help:find("  Default: ", 1, true) then
    text = text .. option.help:match("%s(%sDefault: .-%.)%f[%s%z]")
  end
  return text
end

local function add_flag(command, name, option)
  local names, argname = option.flag:match("^(.-) (%u+)$")
  local text = summary(option, name)
  if not names then
    command:flag(option.flag, text)
    return
  end
  local flag = command:option(names, text):argname(argname)
    :show_default(false)
  flag:convert(converter(names:match("%-%-%S+$"), option.rule))
  if option.flag_default then
    flag:default(tostring(option.flag_default))
  end
end

-- In place of argparse's own, which ends with 1.
local function refuse(parser, problem)
  io.stderr:write(parser:get_usage(), "\n\nError: ", problem, "\n")
  os.exit(status.USAGE)
end

local function add_flags(command, name)
  for _, option in ipairs(options.flags(name)) do
    add_flag(command, name, option)
  end
  for _, list in ipairs(has_sandbox and { sandbox_options.START,
    sandbox_options.SERVE } or {}) do
    for _, option in ipairs(options.flags(name, list)) do
      add_flag(command, name, option)
    end
  end
end

cli.SUMMARY = "Separate recordings into foreground and background with "
  .. "CAMB.AI."

--- The commands, in the order of the help.  `argument` is what follows the
--- options: its name, what it means and how many there may be.
cli.COMMANDS = {
  { name = "separate",
    help = "Separate recordings into foreground and background.",
    argument = { "file", "A WAV, MP3, FLAC, AAC or M4A file, or its URL.",
      "+" } },
  { name = "download", help = "Download the stems of paid tasks.",
    argument = { "task", "The id of a task, or of a run (digits).  Default: "
      .. "every task that earlier runs noted in DIR and did not download.",
      "*" } },
  { name = "batch",
    help = "Separate many recordings; resume after any interruption.",
    argument = { "source", "A file, a folder, a pattern such as "
      .. "'takes/**/*.wav', or a URL.", "*" } },
  { name = "report", help = "Write a page to listen on.",
    argument = { "place", "A folder of stems, or the store of a batch.  "
      .. "Default: this folder.", "?" } },
  { name = "serve",
    help = "Run the sandbox: a local server that speaks the service's API." },
}

--- The exit statuses as lines of text.
---@return string
function cli.epilogue()
  local lines = { "Exit status:" }
  for _, entry in ipairs(status.list()) do
    local kinds = table.concat(entry.kinds, ", ")
    lines[#lines + 1] = ("  %4d  %s%s"):format(entry.number, entry.meaning,
      kinds ~= "" and " (" .. kinds .. ")" or "")
  end
  return table.concat(lines, "\n")
end

--- The parser of the whole command line, and those of the commands by name.
function cli.parser()
  local commands = {}
  local parser = argparse("camb", cli.SUMMARY, cli.epilogue())
  parser:help_max_width(80)
  parser:flag("-v --version", "Print the version."):action(function()
    print("camb " .. camb.VERSION)
    os.exit(status.OK)
  end)
  parser:command_target("command")
  parser:require_command(true)
  for _, entry in ipairs(cli.COMMANDS) do
    local command = parser:command(entry.name, entry.help)
    command.error = refuse
    commands[entry.name] = command
    if entry.argument then
      command:argument(entry.argument[1], entry.argument[2]):args(
        entry.argument[3])
    end
    add_flags(command, entry.name)
  end
  parser.error = refuse
  return parser, commands
end

--- Run the command; `arguments` as Lua's `arg`.
---@param arguments string[]
---@return integer status # for os.exit
function cli.main(arguments)
  core.fill_streams()
  local parsed = cli.parser():parse(arguments)
  words.speak_shell()
  return require("camb.cli." .. parsed.command).run(parsed)
end

return cli
