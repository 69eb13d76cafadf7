--- The events of an operation's transfers.  The client's step puts them in; the
--- operation takes them out, and waits if there are none.

local condition = require "camb.async.condition"

-- Thousands of them wait at once, so the transfers stand beside the fields, by
-- their ids, and the events are a list by their field `after`.  All fields
-- exist from the beginning, so that stopping it takes no memory.
---@class camb.Inbox
local Inbox = {}
Inbox.__index = Inbox

local inbox = {}

--- A new inbox at `client`.
function inbox.new(client)
  return setmetatable({
    client = client,
    news = condition.of_client(client),
    event = false, -- the oldest
    last = false,  -- the youngest, while there is any
    cancelled = false,
    problem = false,
  }, Inbox)
end

--- Receive the events of `transfer` from now on, and close it with this inbox.
function Inbox:watch(transfer)
  local id = transfer:id()
  self[id] = transfer
  self.client.inboxes[id] = self
  return transfer
end

--- Close `transfer`; no event of it follows.
function Inbox:drop(transfer)
  local id = transfer:id()
  self[id] = nil
  self.client.inboxes[id] = nil
  transfer:close()
end

--- Called by the client's step.
function Inbox:push(event)
  if self.event then
    self.last.after = event
  else
    self.event = event
  end
  self.last = event
  self.news:notify()
end

--- End the wait: `next` returns nil from now on.
function Inbox:cancel()
  self.cancelled = true
  self.news:notify()
end

--- An event may be lost: `next` raises `problem` from now on.
function Inbox:fail(problem)
  self.problem = problem
  self:cancel()
end

--- The oldest event (as session:next has it), waited for; nil if the wait was
--- cancelled.
function Inbox:next()
  local goes_on = true
  while not self.event and goes_on do
    goes_on = not self.cancelled and self.news:wait()
  end
  if self.problem then
    error(self.problem, 0)
  end
  local event = self.event or nil
  self.event = event and event.after or false
  return event
end

-- Whether the method `name` of any upload in this inbox returns `answer`.
local function is_any(self, name, answer)
  for id, transfer in pairs(self) do
    if type(id) == "number" then
      local ok, said = pcall(transfer[name], transfer)
      if ok and said == answer then
        return true
      end
    end
  end
  return false
end

--- Whether the service may have the source of an upload in this inbox.
function Inbox:may_be_sent()
  return is_any(self, "is_sent", true)
end

--- Whether the service cannot have it, as far as there is an upload that says
--- so.
---@return boolean
function Inbox:is_unsent()
  return is_any(self, "is_sent", false) and not self:may_be_sent()
end

--- End the wait for an upload of which nothing is on its way; false if there is
--- none.
---@return boolean
function Inbox:call_off()
  local is_idle = is_any(self, "has_begun", false)
  if is_idle then
    self:cancel()
  end
  return is_idle
end

local function drop_all(self)
  for id, transfer in pairs(self) do
    if type(id) == "number" then
      self.client.inboxes[id] = nil
      transfer:close()
      self[id] = nil
    end
  end
end

--- Close every transfer, even while a coroutine waits for them.
function Inbox:stop()
  self:cancel()
  drop_all(self)
end

--- Close every transfer; no event of them follows.  `problem` is what was
--- raised, if anything: without it, the waiting coroutine was closed.
function Inbox:close(problem)
  self.news:abandon(problem == nil)
  drop_all(self)
end

return inbox
