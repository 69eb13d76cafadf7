--- The command line: `camb separate`, `camb download`, `camb batch` and
--- `camb serve`.

local argparse = require "argparse"
local camb = require "camb"
local options = require "camb.options"
local redact = require "camb.redact"
local words = require "camb.words"

local cli = {}

-- The sandbox's part of the table, where it is installed.
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

local function build_parser()
  local parser = argparse("camb",
    "Separate recordings into foreground and background with CAMB.AI.")
  parser:help_max_width(80)
  parser:flag("-v --version", "Print the version."):action(function()
    print("camb " .. camb.VERSION)
    os.exit(0)
  end)
  parser:command_target("command")
  parser:require_command(true)

  local separate = parser:command("separate",
    "Separate recordings into foreground and background.")
  separate:argument("file", "A WAV, MP3, FLAC, AAC or M4A file, or its URL.")
    :args("+")
  add_flags(separate, "separate")

  local download = parser:command("download",
    "Fetch the stems of tasks that are paid for.")
  download:argument("task", "The id of a task, or of a run (digits); none: "
    .. "what earlier runs left unfetched in DIR."):args("*")
  add_flags(download, "download")

  local batch = parser:command("batch",
    "Separate many recordings, and resume after whatever stopped it.")
  batch:argument("source", "A file, a folder, a pattern such as "
    .. "'takes/**/*.wav', or a URL."):args("*")
  add_flags(batch, "batch")

  add_flags(parser:command("serve",
    "Run the sandbox: a local server that speaks the service's API."),
    "serve")
  return parser
end

--- Run the command; `arguments` as Lua's `arg`.
---@param arguments string[]
---@return integer status # for os.exit
function cli.main(arguments)
  local parsed = build_parser():parse(arguments)
  words.speak_shell()
  return require("camb.cli." .. parsed.command).run(parsed)
end

return cli
