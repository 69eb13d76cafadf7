--- One operation under way: its deadline, its listeners, what is known of it,
--- and the transfers it waits for.  Events and errors are made here, so that
--- both always carry the task id once there is one.

local core = require "camb.core"
local failure = require "camb.failure"
local inbox = require "camb.async.inbox"
local journal = require "camb.journal"
local redact = require "camb.redact"
local scheduler = require "camb.async.scheduler"

--- What `on_event` is called with; further fields depend on its name.
---@class camb.Event
---@field name string      # "upload_started", "submitted", "polled", …
---@field time number      # seconds since 1970
---@field source string?   # what is separated, as the caller named it
---@field task_id string? # once the service accepted the upload
---@field run_id integer|string? # once the task succeeded
---@field sentence string   # what happened, for a person
---@field fraction number?  # of the whole call that is done, 0 to 1: it never
---  goes back

local LONGEST_WORDS = 1000

---@class camb.Operation
local Operation = {}
Operation.__index = Operation

-- What an operation is going to write, by its path, as some file systems have
-- no locks: two sources of one name must not find out about each other after
-- both were paid for.
local claimed = setmetatable({}, { __mode = "v" })

--- True when events of an operation with `options` reach a listener.
function Operation.has_listener(client, options)
  return options.on_event ~= nil or client.on_event ~= nil
end

--- Begin an operation of `client`; `options.deadline` counts from now.
function Operation.new(client, options, source)
  return setmetatable({
    client = client,
    options = options,
    deadline = options.deadline and core.now() + options.deadline,
    has_listener = Operation.has_listener(client, options),
    source = source,
    inbox = inbox.new(client),
    opened = false, -- the transfer that was opened last; see Operation:open
  }, Operation)
end

-- If a listener raises, the operation ends, and nothing is left running.
function Operation:tell(listener, event)
  if listener then
    local ok, problem = pcall(listener, event)
    if not ok then
      self:close()
      error(problem, 0)
    end
  end
end

--- Report a step to the listeners.
---@param name string
---@param fields table?
function Operation:emit(name, fields)
  if not self.has_listener then
    return
  end
  local event = fields or {}
  event.name = name
  event.time = core.time()
  event.source = self.source
  event.task_id = self.task_id
  event.run_id = self.run_id
  require("camb.description").add(event, self) -- only where someone listens
  self:tell(self.options.on_event, event)
  self:tell(self.client.on_event, event)
end

--- Report the stems, without what opens their URLs.
function Operation:emit_finished(stems)
  local told = {}
  for name, value in pairs(self.has_listener and stems or {}) do
    told[name] = name:find("_url$") and redact.urls(value) or value
  end
  self:emit("finished", { stems = told })
end

--- Words that came from outside, fit for a person and a log.
---@param words string?
---@return string?
function Operation:clean(words)
  return words and redact.line(redact.cut(words, LONGEST_WORDS),
    self.client.secret())
end

--- nil and an error of `fields`, with what is known of the operation.
---@param fields table
---@param url string? # that was asked for
---@return nil
---@return camb.Error
function Operation:fail(fields, url)
  fields.task_id = fields.task_id or self.task_id
  fields.run_id = fields.run_id or self.run_id
  fields.place = (fields.task_id or fields.kind == "unknown_outcome")
    and self.name and { output_dir = self.output_dir, name = self.name,
    source = self.source } or nil
  return nil, failure.make(fields, self.client.secret(), url)
end

--- nil and the error that `transfer` ended with.
---@return nil
---@return camb.Error
function Operation:fail_transfer(step, transfer)
  return self:fail(failure.of_transfer(step, transfer, self), transfer:url())
end

--- nil and the error of an operation that was stopped from our side.
function Operation:fail_cancelled(step)
  return self:fail(failure.of_cancel(step, self))
end

--- From here on the operation is paid for: it waits as long as polling would,
--- however many attempts that takes.
---@param options { interval: number, max_attempts: integer }
function Operation:be_patient(options)
  self.patience = options.interval * options.max_attempts
end

--- Open a transfer of `kind` ("request", "upload", "poll", "download") with the
--- operation's deadline; its events come to `box`, or the operation's inbox.
---@return userdata? transfer
---@return string? problem # for fail_open
function Operation:open(kind, request, box)
  local client = self.client
  if client.closed then
    return nil, "the client was closed"
  end
  request.deadline = self.deadline
  request.retries = request.retries or client.retries
  if kind ~= "upload" and not request.is_unpaid then
    request.patience = request.patience or self.patience
    request.endless = self.endless
  end
  local transfer, problem = client.session[kind](client.session, request)
  if not transfer then
    return nil, problem
  end
  -- Needs no memory, as the field is there: when `watch` finds none the upload
  -- is closed with the operation, and not sent by a later step.
  self.opened = transfer
  return (box or self.inbox):watch(transfer)
end

--- nil and the error of a transfer that could not be opened.
function Operation:fail_open(step, fields)
  if self.client.closed then
    return self:fail_cancelled(step)
  end
  fields.step = step
  return self:fail(fields)
end

--- Report an attempt that will be repeated.
function Operation:emit_retry(step, event)
  if self.has_listener then
    self:emit("retrying", { step = step, attempt = event[3],
      reason = self:clean(event[4]), next_in = event[5] })
  end
end

-- A run that has just come may not be known yet to all parts of the service.
local function is_absent_yet(self, failed)
  return self.is_new_run and failed.http_status == 404
end

-- The reply of a transfer that is done.  One that cannot be read may be a
-- proxy's: nil alone when it is asked for again.
local function read_reply(self, step, transfer, read)
  local failed = transfer:failure()
  if failed and not is_absent_yet(self, failed) then
    return self:fail_transfer(step, transfer)
  end
  local reply, problem
  if not failed then
    reply, problem = read(transfer:body())
  end
  if reply then
    return reply
  end
  local next_in = transfer:again()
  if not next_in and failed then
    return self:fail_transfer(step, transfer)
  elseif not next_in then
    return self:fail({ kind = "protocol", step = step, message = problem,
      http_status = transfer:status(), attempts = transfer:attempts() })
  end
  self:emit("retrying", { step = step, attempt = transfer:attempts(),
    reason = failed and failed.message or self:clean(problem),
    next_in = next_in })
end

local function wait_for(self, box, step, transfer, read)
  local reply, err
  repeat
    local event = box:next()
    if not event then
      reply, err = self:fail_cancelled(step)
    elseif event[2] == "retry" then
      self:emit_retry(step, event)
    elseif event[2] == "done" then
      reply, err = read_reply(self, step, transfer, read)
    end
  until reply or err
  return reply, err
end

--- A small request, waited for beside whatever else the operation has under
--- way.
---@param step string
---@param read fun(text: string): any, string? # the reply, or what is wrong
---@param request table # url, body, headers
---@return any reply # as `read` gave it
---@return camb.Error? err
function Operation:request(step, read, request)
  local box = inbox.new(self.client)
  local transfer, problem = self:open("request", request, box)
  if not transfer then
    return self:fail_open(step, failure.of_open(step, problem))
  end
  self.small = box
  local reply, err = wait_for(self, box, step, transfer, read)
  self.small = nil
  box:close()
  return reply, err
end

--- End the wait of this operation, in whatever step.
function Operation:cancel()
  self.inbox:cancel()
  if self.small then
    self.small:cancel()
  end
end

--- Keep `path` from other operations until this one ends; false when another
--- one has it.
---@param path string # in the one spelling of core.real_path
---@return boolean
function Operation:claim(path)
  if claimed[path] and claimed[path] ~= self then
    return false
  end
  self.claim_path = path
  claimed[path] = self
  return true
end

--- Whether an operation of this process has the parts of stems at `base`.
---@param base string # of the first stem
---@return boolean
function Operation.has_parts(base)
  for _, one in pairs(claimed) do
    if one.parts and one.first_base == base then
      return true
    end
  end
  return false
end

--- The source was sent, or is not going to be.
function Operation:forget_source()
  if self.fetched then
    self.fetched:close()
    self.fetched = nil
  end
end

--- Close the parts that nothing came into; they are gone then.
function Operation:let_go_parts()
  for _, part in pairs(self.parts or {}) do
    part:close()
  end
  self.parts = nil
end

--- Give back the files that the operation holds.
function Operation:let_go()
  self:let_go_parts()
  if self.claim_path then
    claimed[self.claim_path] = nil
    self.claim_path = nil
  end
  self:forget_source()
end

--- Give back whatever the operation holds, after an error or without.  Twice is
--- fine.
function Operation:close(problem)
  journal.leave(self)
  self.inbox:close(problem)
  if self.opened then
    self.opened:close()
  end
  if self.small then
    self.small:close(problem)
  end
  self:let_go()
  if self.owns_client then
    self.client:close()
  end
end

Operation.__close = Operation.close

local function conclude(self, result, err)
  journal.finish(self, self.is_fetched, err)
  self:close()
  if err then
    self:emit("failed", { error = err })
  end
  return result, err
end

local function once()
  return true
end

--- Do `fn(self, a, b, c)` and pass its outcome on; the operation ends with it.
--- Lua 5.4 closes the loop's fourth value also when the loop is left by an
--- error, or by the end of its coroutine.  Others would send what was opened
--- before a wait that raises: whether it can wait is asked first.
---@param fn fun(self: camb.Operation, ...): any, camb.Error?
function Operation:run(fn, a, b, c)
  for _ in once, nil, nil, self do -- luacheck: ignore 512
    scheduler.waiter(scheduler.host(self.client))
    return conclude(self, fn(self, a, b, c))
  end
end

return Operation
