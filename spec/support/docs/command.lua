-- The command as a chapter of the book, in Markdown, and what its man page
-- says as well.

local cli = require "camb.cli"
local options = require "camb.options"
local status = require "camb.cli.status"

local command = {}

--- The variables that the command reads, each with what it is for.
command.ENVIRONMENT = {
  { "CAMB_API_KEY", "The key of your account, if no option names one." },
  { "CAMB_BASE_URL", "Where the service is, if --base-url is not given." },
  { "HTTPS_PROXY, http_proxy, ALL_PROXY, NO_PROXY", "The proxy, if --proxy "
    .. "is not given, and the hosts that are reached without one." },
  { "CURL_CA_BUNDLE, SSL_CERT_FILE", "Certificates to trust, if --ca-file is "
    .. "not given." },
  { "CAMB_WEBHOOK_SECRET", "The secret that signs webhooks, if "
    .. "--webhook-secret-file is not given." },
  { "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN",
    "The credentials for sources and stems in S3." },
  { "AWS_REGION, AWS_ENDPOINT_URL", "Where S3 is.  Default: us-east-1, at "
    .. "Amazon's." },
  { "PGPASSWORD", "The password of a PostgreSQL store." },
  { "XDG_CONFIG_HOME, HOME", "Where the file of camb login is, see below." },
  { "TMPDIR", "Where a source that is a URL is kept until it is sent, and a "
    .. "sandbox its tasks.  Default: /tmp." },
  { "NO_COLOR", "If set, the command prints no colours." },
  { "TERM", 'If "dumb", nothing is redrawn.' },
  { "PATH", "Where secret-tool is looked up." },
}

--- The files that it keeps.
command.FILES = {
  { "$XDG_CONFIG_HOME/camb/config.json, or ~/.config/camb/config.json",
    "The keys that camb login stored.  Only you may read it." },
  { "DIR/.camb.db", "The store of the batches whose stems are in the folder "
    .. "DIR, unless --store names another.  With --sandbox: "
    .. "DIR/.camb-sandbox.db, and beside it the tasks of the sandbox." },
  { "DIR/.camb-journal", "What camb separate and batches without a store have "
    .. "paid for, whose stems are in the folder DIR or are to be: the same "
    .. "line resumes it, or downloads it again, and pays nothing." },
}

--- What an option has by default, if its text does not say it.
---@return string
function command.default_words(option, name)
  local default = option.flag_default or options.default(option, name)
  if default == nil or default == false or default == true
    or option.help:find("Default:", 1, true)
  then
    return ""
  end
  return ("  Default: %s%s."):format(type(default) == "string"
    and '"' .. default .. '"' or tostring(default), option.unit
    and " " .. option.unit or "")
end

--- The options of the command `name`, in the order of its help.
function command.flags_of(name)
  local found, others = cli.flags_of(name)
  for _, option in ipairs(others) do
    found[#found + 1] = option
  end
  return found
end

--- What follows the options: its name, as often as it may come.
---@param argument table # of the command
---@return string before, string name, string behind
function command.operand(argument)
  local count = argument[3]
  local is_optional = count == "?" or count == "*"
  return is_optional and "[" or "", argument[1], ((count == "+" or count == "*")
    and "..." or "") .. (is_optional and "]" or "")
end

--- The names of an option's flag, and its argument.
---@return string[] names
---@return string? argument
function command.flag_names(option)
  local names, argument = option.flag:match "^(.-) ([%u:]+)$"
  local list = {}
  for name in (names or option.flag):gmatch "%S+" do
    list[#list + 1] = name
  end
  return list, argument
end

-- Text in which a flag, a variable and a path stand as code.
local function marked(text)
  return (text:gsub("%s+", " "):gsub("%f[%w-]%-%-[%l-]+", "`%0`")
    :gsub("[<|*]", "\\%0"))
end

local function add_command(say, entry)
  local argument = entry.argument
  say(("\n## camb %s\n\n%s"):format(entry.name, marked(entry.help)))
  if argument then
    say(("\n- *%s*: %s"):format(argument[1], marked(argument[2])))
  end
  local flags = command.flags_of(entry.name)
  if #flags == 0 then
    return
  end
  say "\n| option | meaning |\n|---|---|"
  for _, option in ipairs(flags) do
    local names, value = command.flag_names(option)
    say(("| `%s%s` | %s |"):format(table.concat(names, "`, `"),
      value and " " .. value or "",
      marked(option.help .. command.default_words(option, entry.name))))
  end
end

local function add_list(say, title, list)
  say(("\n## %s\n"):format(title))
  for _, entry in ipairs(list) do
    say(("- `%s`: %s"):format(entry[1], marked(entry[2])))
  end
end

--- Its text.
---@return string
function command.write()
  local out = { "# Command\n", cli.SUMMARY .. "  Paths of stems go to standard "
    .. "output, everything else to standard error.  `man camb` has the same "
    .. "text; `camb help COMMAND`, a summary." }
  local function say(text)
    out[#out + 1] = text
  end
  for _, entry in ipairs(cli.COMMANDS) do
    add_command(say, entry)
  end
  say "\n## Exit status\n\n| status | meaning | kinds of errors |\n|---|---|---|"
  for _, entry in ipairs(status.list()) do
    say(("| %d | %s | %s |"):format(entry.number, marked(entry.meaning),
      table.concat(entry.kinds, ", ")))
  end
  add_list(say, "Environment", command.ENVIRONMENT)
  add_list(say, "Files", command.FILES)
  return table.concat(out, "\n") .. "\n"
end

return command
