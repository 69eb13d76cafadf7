--- Who is sending the file of a job in a journal: this process, or another one
--- that lives.

local core = require "camb.core"

local sender = {}

-- What this process is called, by its number: a fork has another one.
local own_names = {}
-- Jobs of this process that are being sent.
local sending = {}

--- The name of this process, as `process` in an entry.
---@return string
function sender.own_name()
  local number = core.process()
  own_names[number] = own_names[number] or require("camb.store.owner").name()
  return own_names[number]
end

--- Whether `entry` is of a job of this process.
---@param entry camb.JournalEntry
---@return boolean
function sender.is_own(entry)
  return entry.process == sender.own_name()
end

--- This process sends `job` from now on.
---@param job string
function sender.begin(job)
  sending[job] = true
end

--- `job` is sent, or is not going to be.
---@param job string
function sender.finish(job)
  sending[job] = nil
end

--- Whether this process is sending `job`.
---@param job string?
---@return boolean
function sender.is_sending(job)
  return sending[job] ~= nil
end

--- Whether another process is still sending the file of `entry`: it holds the
--- parts of its stems, if there are to be any.
---@param entry camb.JournalEntry
---@return boolean?
function sender.is_at_work(entry)
  local part, _, is_busy
  if entry.state ~= "submitting" then
    return false
  elseif not entry.part then
    return not sender.is_own(entry)
      and require("camb.store.owner").is_alive(entry.process or "")
  elseif not require("camb.operation").has_parts(entry.part) then
    part, _, is_busy = core.part(entry.part)
  end
  if part then
    part:close()
  end
  return is_busy
end

return sender
