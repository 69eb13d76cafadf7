--- The command line: `camb separate`, `camb batch` and the others of the table
--- below.

local argparse = require "argparse"
local camb = require "camb"
local advice = require "camb.advice"
local core = require "camb.core"
local cure = require "camb.cli.cure"
local options = require "camb.options"
local redact = require "camb.redact"
local shell = require "camb.cli.shell"
local status = require "camb.cli.status"

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
  local words = option.default_words and option.default_words[command]
  if words then
    text = ("%s Default: %s."):format(text, words)
  elseif default and default ~= true then
    text = ("%s Default: %s%s."):format(text,
      type(default) == "string" and '"' .. default .. '"' or default,
      option.unit and " " .. option.unit or "")
  elseif option.help:find("  Default: ", 1, true) then
    text = text .. option.help:match("%s(%sDefault: .-%.)%f[%s%z]")
  end
  return text
end

-- The flags that were added, by spelling: the long one with a "=" after it if
-- it takes a value, or else "".
local added = { ["-h"] = "", ["--help"] = "", ["-V"] = "", ["--version"] = "" }

local function add_flag(command, name, option)
  local names, argname = option.flag:match("^(.-) ([%u:]+)$")
  for spelling in (names or option.flag):gmatch("%S+") do
    added[spelling] = names and names:match("%-%-%S+$") .. "=" or ""
  end
  local text = summary(option, name)
  if not names then
    return command:flag(option.flag, text):target(option.name)
  end
  local flag = command:option(names, text):argname(argname)
    :target(option.name):show_default(false)
  function flag._get_label_lines() -- not a line for each spelling
    return { names:gsub(" ", ", ") .. " " .. argname }
  end
  if option.rule.choices then
    flag:choices(option.rule.choices)
  end
  flag:convert(converter(names:match("%-%-%S+$"), option.rule))
  if option.flag_default then
    flag:default(tostring(option.flag_default))
  end
  return flag
end

-- What the parser takes that begins with `word`, if it suggests nothing itself.
local function suggest(parser, word)
  for _, option in ipairs(parser._options) do
    for _, alias in ipairs(option._aliases) do
      if #word > 2 and alias:sub(1, #word) == word then
        return ("\nDid you mean '%s'?"):format(alias)
      end
    end
  end
  return ""
end

-- A word that was typed, and that is a file with a dash at its beginning.
local function dashed_file()
  for _, word in ipairs(arg or {}) do
    if word:find("^%-.") and core.stat(word) then
      return word
    end
  end
end

-- In place of argparse's own, which ends with 1 and begins with all flags.
local function refuse(parser, problem)
  local option = problem:match("^unknown option '(%S+)'$")
  problem = (problem .. (option and suggest(parser, option) or ""))
    :gsub("^argument for option '(%-%-%S+)'", "%1"):gsub("\n", "\ncamb: ")
  io.stderr:write("camb: ", problem, "\n")
  local file = problem:match("^unknown command '([^\n]*)'")
  if file and core.stat(file) then
    io.stderr:write("camb: to separate it, run: ",
      shell.line({ "camb", "separate", file }), "\n")
  else
    local dashed = problem:find("^unknown option") and dashed_file()
    io.stderr:write(dashed and "camb: to name the file, write "
      .. shell.quote("./" .. dashed) .. "\n" or "",
      "camb: to see what it takes, run: camb help",
      parser._parent and " " .. parser._name or "", "\n")
  end
  os.exit(status.USAGE)
end

--- The options of the command `name`: those that say what it does, and those
--- that say how it gets to the service.
---@param name string
---@return camb.Option[] own
---@return camb.Option[] of_client
function cli.flags_of(name)
  local own, of_client = {}, {}
  for _, list in ipairs({ options.all(), has_sandbox and sandbox_options.START
    or {}, has_sandbox and sandbox_options.SERVE or {} }) do
    for _, option in ipairs(options.flags(name, list)) do
      local is_of_client = option.name == "profile" or option.calls
        and options.takes("client", option)
      table.insert(is_of_client and of_client or own, option)
    end
  end
  return own, of_client
end

local function add_flags(command, name)
  local own, of_client = cli.flags_of(name)
  local flags = {}
  for i, option in ipairs(own) do
    flags[i] = add_flag(command, name, option)
  end
  if #own > 0 and #of_client > 0 then -- as a group, which comes first
    command:group("Options", (table.unpack or unpack)(flags)) -- luacheck: ignore
  end
  for _, option in ipairs(of_client) do
    add_flag(command, name, option)
  end
end

cli.SUMMARY = "Separate recordings into foreground and background with "
  .. "CAMB.AI."

local TASKS = { "task", "The id of a task.", "+" }

--- The commands, in the order of the help.  `argument` is what follows the
--- options: its name, what it means, how many there may be and, if they are
--- few, which.  `module` of camb.cli runs it, if not the one of its name.
cli.COMMANDS = {
  { name = "separate", module = "batch",
    help = "Separate recordings into foreground and background.",
    argument = { "file", "A file, a folder, a pattern such as "
      .. "'takes/**/*.wav', a URL, or - for standard input.", "+" } },
  { name = "batch",
    help = "Separate many recordings; resume after any interruption.",
    argument = { "source", "A file, a folder, a pattern such as "
      .. "'takes/**/*.wav', or a URL.", "*" } },
  { name = "watch", module = "batch",
    help = "Separate what appears in a folder, until interrupted.",
    argument = { "folder", "The folder, with those below it.", 1 } },
  { name = "submit",
    help = "Upload recordings, print the ids of their tasks, and do not wait.",
    argument = { "file", "A WAV, MP3, FLAC, AAC or M4A file, or its URL.",
      "+" } },
  { name = "status", module = "ask",
    help = "Print the state of tasks: id, status, run, reason and message.",
    argument = TASKS },
  { name = "wait", module = "ask",
    help = "Wait until tasks end, and print the ids of their runs.",
    argument = TASKS },
  { name = "result", module = "ask",
    help = "Print the URLs of the stems of tasks that have ended.",
    argument = { "task", "The id of a task, or of a run (digits).", "+" } },
  { name = "download", help = "Download the stems of paid tasks.",
    argument = { "task", "The id of a task, or of a run (digits). Default: "
      .. "every task that earlier runs noted in DIR and did not download.",
      "*" } },
  { name = "jobs", help = "List the jobs of a batch's store, or change them.",
    argument = { "job", "The number of a job, or its source. Default: all.",
      "*" } },
  { name = "report", help = "Write a page to listen on.",
    argument = { "place", "A folder of stems, or the store of a batch. "
      .. "Default: this folder.", "?" } },
  { name = "serve",
    help = "Run the sandbox: a local server that speaks the service's API, "
      .. "with a page to drop files on." },
  { name = "login",
    help = "Store an API key, read from the terminal or standard input." },
  { name = "doctor",
    help = "Check the key, the connection to the service, the output folder "
      .. "and what is installed; uploads nothing." },
  { name = "completion", module = "help",
    help = 'Print what makes a shell complete. In ~/.bashrc: eval "$(camb '
      .. 'completion bash)"; in fish: camb completion fish | source; for '
      .. "zsh, once: camb completion zsh >_camb, in a folder of its $fpath.",
    argument = { "shell", "bash, zsh or fish.", 1,
      { "bash", "zsh", "fish" } } },
  { name = "help", help = "Explain a command.",
    argument = { "verb", "The command. Default: all of them.", "?" } },
}

--- The versions of what is at work, a line each.
---@return string
function cli.versions()
  local libcurl = core.versions()
  local found, sandbox = pcall(require, "camb.sandbox.core")
  return ("camb %s\n%s\n%s\ncamb-sandbox: %s\n"):format(camb.VERSION,
    (rawget(_G, "jit") or {}).version or _VERSION, libcurl,
    found and sandbox.versions() or "not installed")
end

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

-- Of the help, in columns; where it is wide, names and meanings stand side by
-- side.
local WIDTHS = { least = 32, usage = 70, wide = 60, most = 80 }

--- The parser of the whole command line, and those of the commands by name.
function cli.parser()
  local commands = {}
  local parser = argparse("camb", cli.SUMMARY, cli.epilogue())
  local width = math.max(WIDTHS.least, math.min(core.terminal_size()
    or WIDTHS.most, WIDTHS.most))
  parser:help_max_width(width):usage_max_width(math.min(width, WIDTHS.usage))
  if width < WIDTHS.wide then -- what an option means has lines of its own
    parser:help_description_margin(6)
  end
  parser:flag("-V --version", "Print the versions of camb, Lua, libcurl and "
    .. "the sandbox."):action(function()
    io.stdout:write(cli.versions())
    os.exit(status.OK)
  end)
  parser:command_target("command")
  parser:require_command(true)
  for _, entry in ipairs(cli.COMMANDS) do
    local command = parser:command(entry.name, entry.help)
    command.error = refuse
    commands[entry.name] = command
    if entry.argument then
      local argument = command:argument(entry.argument[1], entry.argument[2])
        :args(entry.argument[3])
      if entry.argument[4] then
        argument:choices(entry.argument[4])
      end
    end
    add_flags(command, entry.name)
  end
  commands.help._is_help_command = true -- for its completion
  parser.error = refuse
  return parser, commands
end

local function module_of(name)
  for _, entry in ipairs(cli.COMMANDS) do
    if entry.name == name then
      return entry.module or name
    end
  end
end

-- The words with each value that begins with "-", as an id may, joined to its
-- flag, since argparse takes such a word for a flag itself.
local function join_values(words)
  local joined, only_operands = {}, false
  local i = 1
  while words[i] do
    local value = words[i + 1]
    local flag = added[words[i]] or ""
    only_operands = only_operands or words[i] == "--"
    if flag ~= "" and not only_operands and value and value:find("^%-.")
      and not added[value:match("^[^=]+")]
    then
      joined[#joined + 1] = flag .. value
      i = i + 2
    else
      joined[#joined + 1] = words[i]
      i = i + 1
    end
  end
  return joined
end

--- Run the command; `arguments` as Lua's `arg`.
---@param arguments string[]
---@return integer status # for os.exit
function cli.main(arguments)
  core.fill_streams()
  local parser = cli.parser()
  if #arguments == 0 then
    io.stderr:write(parser:get_help(), "\n")
    return status.USAGE
  end
  local parsed = parser:parse(join_values(arguments))
  advice.use_shell(parsed.sandbox, parsed.command ~= "submit")
  cure.begin(parsed, arguments)
  local number = require("camb.cli." .. module_of(parsed.command)).run(parsed)
  if not core.is_written() and number == status.OK then
    io.stderr:write("camb: standard output cannot be written\n")
    return status.FILE
  end
  return number
end

return cli
