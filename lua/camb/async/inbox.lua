--- What a waiting operation hears of its transfers.  The client's step puts
--- events in; the operation takes them out, waiting if there are none.

local scheduler = require "camb.async.scheduler"

-- Thousands of them wait at once, so the transfers stand beside the fields, by
-- their ids, and the events are a list by their field `after`.  The fields are
-- there from the beginning: stopping it takes no memory.
---@class camb.Inbox
local Inbox = {}
Inbox.__index = Inbox

local inbox = {}

--- A new inbox at `client`.
function inbox.new(client)
  return setmetatable({
    client = client,
    event = false, -- the oldest
    last = false,  -- the youngest, while there is any
    waiter = false,
    cancelled = false,
    problem = false,
  }, Inbox)
end

--- Hear of `transfer` from now on, and close it with this inbox.
function Inbox:watch(transfer)
  local id = transfer:id()
  self[id] = transfer
  self.client.inboxes[id] = self
  return transfer
end

--- Close `transfer`; nothing is heard of it afterwards.
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
  scheduler.notify(self.client, self)
end

--- Stop the waiting: `next` returns nil from now on.
function Inbox:cancel()
  self.cancelled = true
  scheduler.notify(self.client, self)
end

--- An event may be lost: `next` raises `problem` from now on.
function Inbox:fail(problem)
  self.problem = problem
  self:cancel()
end

--- The oldest event (as session:next has it), waited for; nil when the waiting
--- was cancelled.
function Inbox:next()
  local is_cancelled
  while not self.event and not is_cancelled do
    is_cancelled = self.cancelled or scheduler.is_cancelled()
    if not is_cancelled then
      scheduler.wait(self.client, self)
    end
  end
  scheduler.leave(self.client, self)
  if self.problem then
    error(self.problem, 0)
  end
  local event = self.event or nil
  self.event = event and event.after or false
  return event
end

--- Whether the service may have the source of an upload that is heard of here.
function Inbox:may_be_sent()
  for id, transfer in pairs(self) do
    if type(id) == "number" then
      local ok, is_sent = pcall(transfer.is_sent, transfer)
      if ok and is_sent then
        return true
      end
    end
  end
  return false
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

--- Close every transfer, under the hands of a coroutine that may wait for them.
function Inbox:stop()
  self:cancel()
  drop_all(self)
end

--- Close every transfer; nothing is heard of them afterwards.  `problem` is
--- what was raised, if anything: without it, the waiting coroutine was closed.
function Inbox:close(problem)
  if problem == nil then
    scheduler.abandon(self.client, self)
  else
    scheduler.leave(self.client, self)
  end
  drop_all(self)
end

return inbox
