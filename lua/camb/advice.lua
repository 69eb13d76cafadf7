--- What to do about an error, in the terms of Lua or of the shell.

local json = require "camb.json"

local advice = {}

local LUA = {
  doubt = "a task may exist and be charged; check the dashboard before you "
    .. "send it again",
  overwrite = "pass overwrite = true to replace it",
  folder = "use another output_dir",
  names = "give one of them another name or output_dir",
  busy = "run this again once that has ended",
  stem = "pass check = false to send it anyway",
  format = "use FLAC, MP3, WAV or AAC",
  unknown = "",
  service = "pass its base_url, or use another store",
  resubmit = "with resubmit_unknown = true",
  length = "give its stems a shorter name with name or stem_name",
}

local SHELL = {
  doubt = LUA.doubt,
  overwrite = "use --overwrite to replace it",
  folder = "use another --output-dir",
  names = LUA.busy, -- elsewhere it may be paid for once more
  busy = LUA.busy,
  stem = "use camb separate - < FILE to send it",
  format = LUA.format,
  unknown = "",
  service = "use its --base-url, or another --store (by default it is in the "
    .. "--output-dir)",
  resubmit = "with --resubmit-unknown",
  length = "give its stems a shorter name, such as --name 'take.{stem}'",
}

local texts = LUA

--- Give advice for the shell from now on.
---@param is_free boolean? # what is sent goes to a sandbox
---@param converts boolean? # the command takes --convert
function advice.use_shell(is_free, converts)
  texts = SHELL
  if converts then
    SHELL.format = "use --convert to send it as FLAC"
    SHELL.unknown = "; if it is audio, use --convert"
  end
  SHELL.doubt = is_free and "its outcome is unknown" or LUA.doubt
end

--- The advice `name`.
---@param name "overwrite" | "folder" | "names" | "busy" | "stem" | "doubt"
---  | "format" | "unknown" | "service" | "resubmit" | "length"
---@return string
function advice.on(name)
  return texts[name]
end

--- How to resume a task, after `mark`; empty in the shell, where the command
--- prints it itself.
---@param mark string
---@param task_id string
---@return string
function advice.resume(mark, task_id)
  return texts == LUA
    and ('%s resume it with client:task("%s")'):format(mark, task_id)
    or ""
end

--- How to download the stems of a paid run; empty in the shell.
---@param operation table # run_id, output_dir, name
---@return string
function advice.download(operation)
  return texts == LUA and ("; download the stems at no cost with "
    .. "client:download(%s, { output_dir = %q, name = %q })"):format(
    json.digits(operation.run_id), operation.output_dir, operation.name) or ""
end

return advice
