--- What a batch does with one job: fetch a source that is a URL, upload, poll,
--- result, download.  Uploads and downloads are coroutines, as many as may run
--- at a time; the tasks that wait at the service share one, and so do the
--- requests for results.

local Operation = require "camb.operation"
local core = require "camb.core"
local download = require "camb.download"
local fetch_source = require "camb.fetch"
local inbox = require "camb.async.inbox"
local result = require "camb.result"
local scheduler = require "camb.async.scheduler"
local submit = require "camb.submit"
local wait = require "camb.wait"

local steps = {}

-- Runs that are ready within so many seconds are asked for together.
local GATHER = 0.02
-- Seconds between two looks at parts that somebody else is writing.
local BUSY = 1
-- How many at most, in one request.
local MOST = 500

--- Bring the source of `job`, which is a URL, here: nothing is sent meanwhile,
--- and a kill leaves nothing unknown.
function steps.fetch_source(run, job)
  if run.closed then
    return
  end
  job.inbox = inbox.new(run.client)
  local fetched, err = fetch_source.run(job, job.checked)
  job.inbox:close()
  job.inbox = nil
  if run.closed then
    job:forget_source()
  elseif fetched then
    job.checked = fetched
    job.size = select(2, core.stat(fetched.path))
    run.journal:put("submitting", job)
  else
    run.uploading, run.occupied = run.uploading - 1, run.occupied - 1
    run:fail(job, err)
    run:make_room()
  end
end

--- Send the source of `job`, whose state `submitting` is durable.
function steps.upload(run, job)
  if run.closed then
    return
  end
  job.inbox = inbox.new(run.client)
  local reply, err = submit.run(job, job.checked, job.options)
  job.inbox:close()
  job.inbox = nil
  job:forget_source()
  if run.closed then
    return
  end
  run.uploading = run.uploading - 1
  run.journal:settle(job, err)
  if reply then
    run.journal:put("submitted", job)
    steps.poll(run, job)
  else
    run.occupied = run.occupied - 1
    run:fail(job, err)
  end
  run:look_again()
end

local function end_poll(run, job)
  run.polled[job.poll:id()] = nil
  run.polls:drop(job.poll)
  job.poll, job.last, job.inbox = nil, nil, nil
  run.occupied = run.occupied - 1
  run:make_room()
end

-- The client was closed: nothing more is heard of any task.
local function end_all(run)
  for _, job in pairs(run.polled) do
    local _, err = job:fail_cancelled("poll")
    end_poll(run, job)
    run:fail(job, err)
  end
end

-- With a store a task is waited for until the deadline.
local function poll_again(run, job)
  run.polled[job.poll:id()] = nil
  run.polls:drop(job.poll)
  steps.poll(run, job)
end

-- One coroutine hears of all tasks; it ends when no task waits.
local function follow(run)
  while next(run.polled) do
    local event = run.polls:next()
    if run.closed then
      break
    elseif not event then
      end_all(run)
      break
    end
    local job = run.polled[event[1]]
    if job then
      local ready, err = wait.hear(job, job.poll, event, job.last)
      if err and run.options.polls_on and wait.may_go_on(job.poll, err) then
        poll_again(run, job)
      elseif (ready or err) and not run.closed then
        end_poll(run, job)
        if ready then
          run.journal:put("finished", job)
        else
          run:fail(job, err)
        end
      end
    end
  end
  run.following = false
end

--- Wait for the end of the task of `job`.
function steps.poll(run, job)
  job.inbox = run.polls
  local transfer, err = wait.begin(job, job.options)
  if not transfer then
    job.inbox = nil
    run.occupied = run.occupied - 1
    run:fail(job, err)
    return
  end
  job.poll, job.last = transfer, { word = nil } -- room for it
  run.polled[transfer:id()] = job
  if not run.following then
    run.following = true
    run:spawn(follow)
  end
end

local function take(list, most)
  if #list <= most then
    return list, {}
  end
  local taken, left = {}, {}
  for i, job in ipairs(list) do
    if i <= most then
      taken[i] = job
    else
      left[i - most] = job
    end
  end
  return taken, left
end

-- One request for all; where that fails each asks for itself.
local function ask_together(run, jobs)
  local ids, deadline = {}, nil
  for i, job in ipairs(jobs) do
    ids[i] = job.run_id
    deadline = job.deadline and math.min(job.deadline, deadline or math.huge)
      or deadline
  end
  local operation = Operation.new(run.client, run.options)
  operation.on_event, operation.deadline = nil, deadline
  operation.has_listener = run.client.on_event ~= nil
  run.asking = operation
  local map, err = result.many(operation, ids, run.options)
  run.asking = nil
  operation.inbox:close()
  for _, job in ipairs(map and jobs or {}) do
    job.urls = map[job.run_id]
  end
  -- a service without this operation is not asked for it again
  run.asks_singly = err ~= nil and (err.kind == "not_found"
    or err.kind == "validation" or err.kind == "protocol")
end

local function collect(run)
  while #run.ready > 0 and not run.closed do
    if #run.ready < MOST then
      scheduler.sleep_for(run.client, GATHER)
    end
    local jobs
    jobs, run.ready = take(run.ready, MOST)
    if #jobs > 1 and not run.asks_singly and not run.closed then
      ask_together(run, jobs)
    end
    for _, job in ipairs(not run.closed and jobs or {}) do
      steps.download(run, job)
    end
  end
  run.collecting = false
end

--- The run of `job` is ready: ask for its URLs, with those of others.
function steps.collect(run, job)
  run.ready[#run.ready + 1] = job
  if not run.collecting then
    run.collecting = true
    run:spawn(collect)
  end
end

-- With a store the parts are opened only now; another worker that had the job
-- may take a while to notice that it has lost it.
local function hold(run, job)
  if job.parts then
    return true
  end
  local ok, err = download.hold(job, job, job.name)
  while not ok and err.is_busy and run.options.store and not run.closed
    and not (job.deadline and core.now() > job.deadline)
    and scheduler.sleep_for(run.client, BUSY) and not run.closed
  do
    ok, err = download.hold(job, job, job.name)
  end
  return ok, err
end

local function fetch(run, job)
  job.inbox = inbox.new(run.client)
  local urls, stems = job.urls, nil
  job.urls = nil
  local ok, err = hold(run, job)
  if ok and not urls then
    urls, err = result.one(job)
  end
  if ok and urls then
    stems, err = download.run(job, urls, job, function()
      return result.one(job)
    end)
  end
  job.inbox:close()
  job.inbox = nil
  if run.closed then
    return
  elseif stems then
    run:finish(job, stems)
  else
    run:fail(job, err)
  end
end

local function fetch_all(run)
  while run.first_download <= run.last_download and not run.closed do
    local job = run.downloads[run.first_download]
    run.downloads[run.first_download] = nil
    run.first_download = run.first_download + 1
    fetch(run, job)
  end
  run.downloading = run.downloading - 1
end

--- Fetch the stems of `job`, in its turn.
function steps.download(run, job)
  run.last_download = run.last_download + 1
  run.downloads[run.last_download] = job
  if run.downloading < run.options.downloads then
    run.downloading = run.downloading + 1
    run:spawn(fetch_all)
  end
end

return steps
