--- `camb help` and `camb completion`: what argparse writes from the tables.

local cli = require "camb.cli"

local help = {}

-- bash completes file names itself, as it handles spaces in them.
local function leave_files_to_bash(script)
  return (script:gsub('COMPREPLY=%(%$%(compgen %-f %-%- "%$cur"%)%)',
    "compopt -o default; COMPREPLY=()"))
end

local function complete(shell)
  local parser = cli.parser()
  io.stdout:write(leave_files_to_bash(
    parser["get_" .. shell .. "_complete"](parser)))
  return 0
end

local function explain(about)
  local parser, commands = cli.parser()
  if about and not commands[about] then
    parser:parse({ about }) -- which refuses it
  end
  io.stdout:write((about and commands[about] or parser):get_help(), "\n")
  return 0
end

--- Run the one that is named.
---@param arguments table
---@return integer status
function help.run(arguments)
  return arguments.command == "completion" and complete(arguments.shell)
    or explain(arguments.verb)
end

return help
