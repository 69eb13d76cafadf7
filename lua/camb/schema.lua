--- Which options each public function takes.

local connection = require "camb.connection"
local json = require "camb.json"
local options = require "camb.options"

local schema = {}

-- An integer, or a string of digits where it is beyond what Lua counts to.
local id = {
  check = function(value)
    if not json.integer(value) then
      return "must be an integer"
    end
  end,
}

local function trace_context(value)
  if not value:find("^%x%x%-%x+%-%x+%-%x%x") then
    return 'must look like "00-<trace id>-<parent id>-01" (W3C Trace Context)'
  end
end

local rate = options.seconds -- a number above 0, too

local call = {
  deadline = options.seconds,
  on_event = options.callback,
}

local tracing = {
  run_id = id,
  traceparent = options.text(trace_context),
}

local submit = options.join(call, tracing, {
  project_name = options.text(),
  project_description = options.lines,
  folder_id = id,
  check = options.default(options.boolean, true),
})

local wait = options.join(call, {
  interval = options.default(options.seconds, 5),
  max_attempts = options.default(options.whole(1), 60),
  run_id = id,
})

local download = options.join(call, {
  output_dir = options.default(options.filled, "."),
  name = options.filled,
  overwrite = options.default(options.boolean, false),
})

-- What camb.scheduler asks of a host.
local HOST = { "running", "suspend", "wake", "start", "attach", "detach" }

local loop = {
  check = function(value)
    for _, name in ipairs(HOST) do
      if type(value) ~= "table" or type(value[name]) ~= "function" then
        return 'is not a loop, such as require "camb.loop.cqueues"'
      end
    end
  end,
}

--- Of camb.client.
schema.client = {
  api_key = options.filled,
  base_url = options.filled,
  timeout = options.default(options.seconds, 30),
  connect_timeout = options.default(options.seconds, 10),
  stall_timeout = options.default(options.whole(1), 60),
  reply_timeout = options.default(options.seconds, 300),
  retries = options.default(options.whole(0), 4),
  max_connections = options.default(options.whole(1), 8),
  requests_per_second = rate,
  proxy = connection.PROXY,
  ca_file = options.filled,
  user_agent = options.filled,
  headers = { type = "table" },
  on_event = options.callback,
  loop = loop,
  danger_accept_invalid_certificates = options.boolean,
}

schema.call = call
schema.submit = submit
schema.status = options.join(call, { run_id = id })
schema.wait = wait
schema.results = options.join(call, tracing)
schema.download = download
schema.separate = options.join(submit, wait, download, {
  download = options.default(options.boolean, true),
})
schema.id = id

--- Of the official operations.
schema.create_audio_separation = options.join(submit, { media_file = {} })
schema.get_audio_separation_status = options.join(schema.status, {
  task_id = options.filled,
})
schema.get_audio_separation_run_info = options.join(call, { run_id = id })
schema.get_audio_separation_runs_results = options.join(schema.results, {
  run_ids = { type = "table" },
})

--- Of a source that is a table.
schema.source = {
  path = options.filled,
  data = { type = "string" },
  read = options.callback,
  size = options.whole(1),
  filename = options.filled,
}

return schema
