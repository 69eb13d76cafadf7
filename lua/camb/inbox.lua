--- What a waiting operation hears of its transfers.  The client's step puts
--- events in; the operation takes them out, waiting where there are none.

local scheduler = require "camb.scheduler"

---@class camb.Inbox
local Inbox = {}
Inbox.__index = Inbox

local inbox = {}

--- A new inbox at `client`.
function inbox.new(client)
  return setmetatable({
    client = client,
    transfers = {},
    events = {},
    first = 1,
    last = 0,
  }, Inbox)
end

--- Hear of `transfer` from now on, and close it with this inbox.
function Inbox:watch(transfer)
  local id = transfer:id()
  self.transfers[id] = transfer
  self.client.inboxes[id] = self
  return transfer
end

--- Called by the client's step.
function Inbox:push(...)
  self.last = self.last + 1
  self.events[self.last] = { ... }
  scheduler.notify(self.client, self)
end

--- Stop the waiting: `next` returns nil from now on.
function Inbox:cancel()
  self.cancelled = true
  scheduler.notify(self.client, self)
end

--- The oldest event (as session:next has it), waited for; nil when the waiting
--- was cancelled.
function Inbox:next()
  while self.first > self.last do
    if self.cancelled or not scheduler.wait(self.client, self) then
      return nil
    end
  end
  local event = self.events[self.first]
  self.events[self.first] = nil
  self.first = self.first + 1
  return event
end

--- Close every transfer; nothing is heard of them afterwards.
function Inbox:close()
  scheduler.abandon(self.client, self)
  for id, transfer in pairs(self.transfers) do
    self.client.inboxes[id] = nil
    transfer:close()
  end
  self.transfers = {}
end

return inbox
