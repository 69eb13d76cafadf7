--- Reports each item of a batch: to a command's standard input (--on-done), or
--- to a server (--webhook).  The job of a file whose stems are complete is done
--- only when the command succeeds; a server, and the command for what failed,
--- get the report once that is recorded.
---
--- The item is an object of JSON: source, state ("done" or "failed"), task_id,
--- run_id, foreground, foreground_sha256, background, background_sha256,
--- error_kind, error, time.  A server can tell
--- that it comes from here by the header X-Camb-Signature-256: "sha256=" and
--- the HMAC-SHA-256 of the body in hexadecimal digits, by the secret that both
--- know; X-Camb-Delivery is the same each time the same item is sent again.

local answers = require "camb.cli.answers"
local camb = require "camb"
local connection = require "camb.connection"
local core = require "camb.core"
local json = require "camb.json"
local metrics = require "camb.cli.metrics"
local key_file = require "camb.key_file"
local owner = require "camb.store.owner"
local redact = require "camb.redact"
local shell = require "camb.cli.shell"

local hooks = {}

---@class camb.Hooks
local Hooks = {}
Hooks.__index = Hooks

-- Seconds between two looks at what runs, and for which a server that does not
-- answer is tried again.
local LOOK, PATIENCE = 0.05, 300
local BLOCK = 64 -- bytes of SHA-256's

local function sha256(...)
  local digest = core.sha256()
  for _, bytes in ipairs({ ... }) do
    digest:add(bytes)
  end
  return digest:finish()
end

local function bytes_of(hex)
  return (hex:gsub("%x%x", function(pair)
    return string.char(tonumber(pair, 16))
  end))
end

local function xor(a, b)
  local result, bit = 0, 1
  while bit < 256 do
    local is_odd = (a + b) % 2 == 1
    result = result + (is_odd and bit or 0)
    a, b, bit = math.floor(a / 2), math.floor(b / 2), bit * 2
  end
  return result
end

local function pad(key, byte)
  return ((key .. ("\0"):rep(BLOCK - #key)):gsub(".", function(character)
    return string.char(xor(character:byte(), byte))
  end))
end

--- The HMAC-SHA-256 of `message` (RFC 2104).
---@param secret string
---@param message string
---@return string # 64 hexadecimal digits
function hooks.sign(secret, message)
  local key = #secret > BLOCK and bytes_of(sha256(secret)) or secret
  return sha256(pad(key, 0x5c), bytes_of(sha256(pad(key, 0x36), message)))
end

-- The secret that a server knows, too.
local function find_secret(arguments)
  if arguments.webhook_secret_file then
    local secret, problem = key_file.read(arguments.webhook_secret_file)
    return secret, problem and "--webhook-secret-file: " .. problem
  end
  local secret = os.getenv("CAMB_WEBHOOK_SECRET")
  if secret and secret ~= "" then
    return secret
  end
  return nil, "--webhook needs a secret to sign with: --webhook-secret-file, "
    .. "or the environment variable CAMB_WEBHOOK_SECRET"
end

--- What `arguments` ask for; nil and what is wrong with it.
---@param arguments table
---@return camb.Hooks?
---@return string? problem
function hooks.new(arguments)
  local self = setmetatable({ arguments = arguments, jobs = {}, count = 0,
    failures = 0 }, Hooks)
  if arguments.webhook then
    local problem = core.url_problem(arguments.webhook)
    if problem then
      return nil, "--webhook is invalid: " .. problem
    end
    self.secret, problem = find_secret(arguments)
    if not self.secret then
      return nil, problem
    end
  end
  if arguments.webhook_secret_file and not arguments.webhook then
    return nil, "--webhook-secret-file needs --webhook"
  end
  if arguments.metrics then
    local problem
    self.metrics, problem = metrics.new(arguments)
    if not self.metrics then
      return nil, problem
    end
  end
  return self
end

--- Begin, as the batch does; events go to `listener`, too.
---@param listener fun(event: camb.Event)
---@return fun(event: camb.Event)
function Hooks:listener(listener)
  local measured = self.metrics
  if not measured then
    return listener
  end
  measured:start()
  return function(event)
    measured:hear(event)
    listener(event)
  end
end

local function object_of(item)
  local stems, err = item.stems or {}, item.error or {}
  local run_id = item.run_id or err.run_id
  return answers.object({ { "source", redact.urls(item.source or "") },
    { "state", item.stems and "done" or "failed" },
    { "task_id", item.task_id or stems.task_id or err.task_id },
    { "run_id", run_id and json.digits(run_id) },
    { "foreground", stems.foreground },
    { "foreground_sha256", stems.foreground_sha256 },
    { "background", stems.background },
    { "background_sha256", stems.background_sha256 },
    { "error_kind", err.kind }, { "error", err.message },
    { "time", os.date("!%Y-%m-%dT%H:%M:%SZ") } })
end

local function say(...)
  io.stderr:write("camb: ", redact.visible(string.format(...)), "\n")
end

function Hooks:fail(...)
  self.failures = self.failures + 1
  say(...)
end

-- Tells which processes these are, and how the command ended.
local WATCHED = 'sh -c "$0" <"$1" >&2 & echo $$ $! >"$1.pid"; '
  .. 'wait $!; echo $? >"$1.new"; mv "$1.new" "$1.end"'

local function numbers_in(path)
  local file = io.open(path)
  local one, other
  if file then
    one, other = file:read("*n", "*n")
    file:close()
  end
  return one, other
end

-- Wait for the end of the command whose files begin with `path`: its status, or
-- nil and why there is none.
local function wait_for_command(path, goes_on, limit)
  local give_up = core.now() + limit
  while true do
    camb.sleep(LOOK)
    local watcher, own = numbers_in(path .. ".pid")
    local is_gone = watcher and owner.has_ended(watcher)
    local number = numbers_in(path .. ".end")
    if number or not goes_on() then
      return number, "was left running"
    elseif is_gone or core.now() > give_up then
      if own and not owner.has_ended(own) then
        os.execute(("kill %d 2>/dev/null"):format(own))
      end
      return nil, is_gone and "was killed"
        or ("was ended after %g s (--on-done-timeout)"):format(limit)
    end
  end
end

-- Run the command while other jobs continue.
local function run_command(self, object, goes_on)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  assert(file:write(object))
  file:close()
  os.execute(("sh -c %s %s %s &"):format(shell.quote(WATCHED),
    shell.quote(self.arguments.on_done), path))
  local number, problem = wait_for_command(path, goes_on,
    self.arguments.on_done_timeout)
  for _, ending in ipairs({ "", ".pid", ".end" }) do
    os.remove(path .. ending)
  end
  if number == 0 then
    return true
  end
  return nil, "the command of --on-done " .. (number
    and ("ended with status %d"):format(number) or problem)
end

local function always()
  return true
end

--- The option of a batch that makes the command a condition; nil without one.
---@return (fun(item: camb.BatchItem): boolean?, string?)?
function Hooks:confirm()
  return self.arguments.on_done and function(item)
    return run_command(self, object_of(item), always)
  end
end

local function no_signal()
  return not core.caught_signal()
end

-- A file that failed otherwise.
local function tell_command(self, source, object)
  local ok, problem = run_command(self, object, no_signal)
  if not ok then
    self:fail("%s: %s", source, problem)
  end
end

local function send(self, source, object)
  local url = self.arguments.webhook
  local session = assert(core.session({ base_url = url,
    proxy = self.arguments.proxy, user_agent = "camb-lua/" .. camb.VERSION,
    ca_file = connection.ca_file(self.arguments, 1) }))
  local transfer, problem = session:request({ url = url, body = object,
    patience = PATIENCE, retries = 4, headers = {
      "Content-Type: application/json",
      "X-Camb-Signature-256: sha256=" .. hooks.sign(self.secret, object),
      "X-Camb-Delivery: " .. sha256(source, object) } })
  session:step(0)
  while session:active() > 0 and not core.caught_signal() do
    camb.sleep(LOOK)
    session:step(0)
  end
  local failure = transfer and transfer:failure()
  if not transfer or failure or transfer:status() == 0 then
    self:fail("%s: --webhook failed: %s", source, redact.line(
      failure and failure.message or problem or "interrupted"))
  end
  session:close()
end

--- Report `item`, beside whatever else is under way.
---@param item camb.BatchItem
function Hooks:tell(item)
  if self.metrics then
    self.metrics:tell(item)
  end
  if item.skipped or not item.source then
    return
  end
  local source, object = redact.urls(item.source), object_of(item)
  if self.arguments.on_done and item.error and item.error.kind ~= "hook" then
    self.jobs[#self.jobs + 1] = camb.spawn(tell_command, self, source, object)
  end
  if self.arguments.webhook then
    self.jobs[#self.jobs + 1] = camb.spawn(send, self, source, object)
  end
  for i = #self.jobs, 1, -1 do
    if self.jobs[i]:is_done() then
      table.remove(self.jobs, i)
    end
  end
end

--- Wait until everything is reported, or a signal comes.
function Hooks:finish()
  if self.metrics then
    self.metrics:close()
  end
  camb.run(function()
    for _, job in ipairs(self.jobs) do
      job:join()
    end
  end)
end

return hooks
