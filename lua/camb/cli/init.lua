--- The command line: `camb separate`, `camb batch` and `camb serve`.

local argparse = require "argparse"
local camb = require "camb"
local words = require "camb.words"

local cli = {}

local function whole(least)
  return function(text)
    local value = tonumber(text)
    if not value or value ~= math.floor(value) or value < least then
      return nil, ("'%s' is not a whole number of %d or more"):format(text,
        least)
    end
    return math.tointeger and math.tointeger(value) or value
  end
end

local function seconds(text)
  local value = tonumber(text)
  if not value or not (value > 0) then
    return nil, ("'%s' is not a number of seconds"):format(text)
  end
  return value
end

-- What every command that separates takes.
local function add_separation(command)
  command:option("-o --output-dir", "Where the stems go."):default(".")
    :argname("DIR")
  command:option("--api-key",
    "Default: the environment variable CAMB_API_KEY, which other users of "
    .. "this machine do not see."):argname("KEY")
  command:option("--base-url",
    "Default: the environment variable CAMB_BASE_URL, else the service.")
    :argname("URL")
  command:option("--proxy",
    "Such as socks5h://localhost:1080; default: HTTPS_PROXY, http_proxy and "
    .. "NO_PROXY of the environment."):argname("URL")
  command:option("--ca-file",
    "Certificates to trust; default: CURL_CA_BUNDLE or SSL_CERT_FILE of the "
    .. "environment, else the system's."):argname("FILE")
  command:flag("--sandbox",
    "Separate here, by a local server, without an account.")
  command:option("--engine",
    "What separates there: builtin, or a command with {input} and "
    .. "{output_dir}."):argname("COMMAND")
  command:flag("--overwrite", "Replace stems that exist.")
  command:option("--interval", "Seconds between two polls."):convert(seconds)
    :argname("S")
  command:option("--max-attempts", "Polls before giving up waiting.")
    :convert(whole(1)):argname("N")
  command:option("--deadline", "Seconds for each file, everything together.")
    :convert(seconds):argname("S")
  command:option("--reply-timeout",
    "Seconds for the service's reply after an upload; default: 300.")
    :convert(seconds):argname("S")
  command:option("--project-name", "Label in the dashboard."):argname("NAME")
  command:option("--project-description", "Notes in the dashboard.")
    :argname("TEXT")
  command:option("--folder-id", "Folder of the dashboard."):convert(whole(0))
    :argname("ID")
end

local function add_separate(parser)
  local command = parser:command("separate",
    "Separate recordings into foreground and background.")
  command:argument("file", "A WAV, MP3, FLAC, AAC or M4A file, or its URL.")
    :args("+")
  command:option("-j --jobs", "How many files at a time."):default("4")
    :convert(whole(1)):argname("N")
  add_separation(command)
end

local function add_batch(parser)
  local command = parser:command("batch",
    "Separate many recordings, and go on after whatever stopped it.")
  command:argument("source", "A file, a folder, a pattern such as "
    .. "'takes/**/*.wav', or a URL."):args("*")
  command:option("--store", "Keep every job there: a file (SQLite), or a URL "
    .. "such as postgres://user@host/database for many machines.")
    :argname("STORE")
  command:flag("--status", "Print what became of the jobs in the store.")
  command:flag("--retry-failed", "Begin failed jobs again, from where they can "
    .. "go on.")
  command:flag("--resubmit-unknown", "Send files again of which nobody knows "
    .. "whether the service has accepted them: this may cost twice.")
  command:option("-j --jobs", "How many files go up, and come down, at a time.")
    :default("4"):convert(whole(1)):argname("N")
  command:option("--pending", "How many tasks may wait at the service.")
    :convert(whole(1)):argname("N")
  command:option("--requests-per-second", "The most that the service is asked.")
    :convert(seconds):argname("N")
  add_separation(command)
end

local function add_serve(parser)
  local command = parser:command("serve",
    "Run the sandbox: a local server that speaks the service's API.")
  command:option("--port", "0: any free port."):default("8080")
    :convert(whole(0)):argname("N")
  command:option("--stem-port", "Of the stems; 0: any free port."):default("0")
    :convert(whole(0)):argname("N")
  command:option("--host", "Address to listen on."):default("127.0.0.1")
    :argname("ADDRESS")
  command:option("--api-key", "The one key that is let in.")
    :default("sandbox"):argname("KEY")
  command:option("--data-dir",
    "Where tasks and stems live, across restarts too; default: a folder that "
    .. "is removed at the end."):argname("DIR")
  command:option("--engine",
    "What separates: builtin, or a command with {input} and {output_dir}.")
    :argname("COMMAND")
  command:option("--engine-timeout",
    "Seconds until such a command is killed."):convert(seconds):argname("S")
  command:option("--workers", "Tasks worked on at a time."):default("1")
    :convert(whole(1)):argname("N")
  command:option("--processing", "Seconds that a task takes at least.")
    :convert(tonumber):argname("S")
  command:flag("--tls",
    "Speak https; what certificate to trust is printed.")
  command:option("--ca-out", "Where a copy of that certificate goes.")
    :argname("FILE")
  command:option("--max-seconds", "Refuse longer recordings.")
    :convert(seconds):argname("S")
  command:option("--max-bytes", "Refuse larger recordings.")
    :convert(whole(1)):argname("N")
  command:option("--faults",
    "A Lua file that returns a list of faults: what is to go wrong.")
    :argname("FILE")
end

local function build_parser()
  local parser = argparse("camb",
    "Separate recordings into foreground and background with CAMB.AI.")
  parser:flag("-v --version", "Print the version."):action(function()
    print("camb " .. camb.VERSION)
    os.exit(0)
  end)
  parser:command_target("command")
  parser:require_command(true)
  add_separate(parser)
  add_batch(parser)
  add_serve(parser)
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
