--- What the sandbox's own specs share: servers that end with their test, and
--- real requests by the curl command.

local cjson = require "cjson"
local sandbox = require "camb.sandbox"
local workspace = require "spec.support.workspace"

local sandboxed = {
  key = "-H 'x-api-key: sandbox' ",
  json = "-H 'Content-Type: application/json' ",
  run = workspace.run,
  read = workspace.read,
  write = workspace.write,
  wait_for = workspace.wait_for,
}

local work
local servers = {}

--- To be called by `setup`: makes work/mix.flac, two seconds of stereo.
---@return string work # a folder for what the specs make
function sandboxed.open()
  work = workspace.folder()
  local text, code = workspace.run("ffmpeg -v error -y -f lavfi -i sine=440:d=2 "
    .. "-f lavfi -i anoisesrc=d=2:a=0.2:r=44100:s=7 -filter_complex amerge "
    .. "-sample_fmt s16 " .. work .. "/mix.flac")
  assert(code == 0, text)
  return work
end

--- To be called by `after_each`.
function sandboxed.stop()
  while #servers > 0 do
    table.remove(servers):stop()
  end
end

--- To be called by `teardown`.
function sandboxed.close()
  sandboxed.stop()
  workspace.remove(work)
end

--- For a file of specs: all three; `assign` gets the folder.
function sandboxed.for_file(assign)
  local busted = require "busted"
  busted.setup(function()
    assign(sandboxed.open())
  end)
  busted.after_each(sandboxed.stop)
  busted.teardown(sandboxed.close)
end

--- A server that `stop` ends.
function sandboxed.start(options)
  local server = assert(sandbox.start(options))
  servers[#servers + 1] = server
  return server
end

--- The path of a folder that is not there.
function sandboxed.fresh(name)
  local path = work .. "/" .. name
  workspace.remove(path)
  return path
end

--- A finished task made by hand, as csrc/sandbox/tasks/task.h describes it.
---@return string folder # of the task
function sandboxed.plant(data_dir, record, files)
  local folder = data_dir .. "/tasks/" .. record.task_id
  workspace.run("mkdir -p " .. folder)
  workspace.write(folder .. "/task.json", cjson.encode(record))
  for name, bytes in pairs(files or {}) do
    workspace.write(folder .. "/" .. name, bytes)
  end
  return folder
end

--- A server that has run 5000, with stems of ten bytes each.
function sandboxed.start_with_stems(name, options)
  local data = sandboxed.fresh(name)
  sandboxed.plant(data, { task_id = "planted", status = "SUCCESS",
    run_id = 5000, foreground = "fg.flac", background = "bg.wav",
    foreground_sha256 = "84d89877f0d4041efb6bf91a16f0248f"
      .. "2fd573e6af05c19f96bedb9f882f7882" },
    { ["fg.flac"] = "0123456789", ["bg.wav"] = "background" })
  options = options or {}
  options.data_dir = data
  return sandboxed.start(options)
end

--- One request: {status=, headers=, body=, code= what curl ended with}.
function sandboxed.http(arguments)
  local head, body = work .. "/head", work .. "/body"
  os.remove(head)
  os.remove(body)
  local text, code = workspace.run(("curl -sS --max-time 60 -D %s -o %s "
    .. "-w %%{http_code} %s"):format(head, body, arguments))
  local reply = { headers = {}, code = code, body = workspace.read(body) or "",
    status = tonumber(text:match("%d+$")) }
  for line in (workspace.read(head) or ""):gmatch("[^\r\n]+") do
    local name, value = line:match("^([^:]+): (.*)$")
    if name then
      reply.headers[name:lower()] = value
    end
  end
  return reply
end

--- Upload a form, work/mix.flac if none is given: the task id.
function sandboxed.submit(server, form)
  local reply = sandboxed.http(sandboxed.key
    .. (form or "-F media_file=@" .. work .. "/mix.flac") .. " "
    .. server.base_url .. "/audio-separation")
  assert(reply.status == 200, reply.body)
  return cjson.decode(reply.body).task_id
end

--- The reply to a poll.
function sandboxed.poll(server, id)
  return sandboxed.http(sandboxed.key .. server.base_url
    .. "/audio-separation/" .. id)
end

--- The status reply, decoded, of a task that is no longer pending.
function sandboxed.finished(server, id)
  return sandboxed.wait_for("task " .. id, function()
    local reply = cjson.decode(sandboxed.poll(server, id).body)
    return reply.status ~= "PENDING" and reply
  end)
end

--- The result of a run, decoded.
function sandboxed.urls(server, run)
  local reply = sandboxed.http(("%s %s/audio-separation-result/%d")
    :format(sandboxed.key, server.base_url, run))
  assert(reply.status == 200, reply.body)
  return cjson.decode(reply.body)
end

return sandboxed
