-- Every fault that the sandbox knows, at every step that can meet it: what a
-- client that may retry once makes of one, and of no end of them, and how many
-- requests and uploads that costs.

local camb = require "camb"
local matrix = require "spec.support.matrix"
local workspace = require "spec.support.workspace"

local LIMIT_KIB = 64 * 1024

-- What is expected of a step, by a word: what becomes of one fault, what of no
-- end of them, and the requests of each.
local function survives(kind)
  return { once = { "ok", 2 }, always = { kind, 2 } }
end

local function ends(kind)
  return { once = { kind, 1 }, always = { kind, 1 } }
end

local FINE = { once = { "ok", 1 }, always = { "ok", 1 } }
local UNKNOWN = ends("unknown_outcome")

-- The small GETs behave alike; polling has attempts of its own, and so ends as
-- a timeout where the others name the last fault.
local function gets(expected, poll, stem)
  return { status = expected, result = expected, results = expected,
    poll = poll or expected, stem = stem or nil }
end

local function passing(kind, stem)
  return gets(survives(kind), survives("timeout"), stem or survives(kind))
end

local function unreadable()
  return gets(survives("protocol"), survives("protocol"),
    survives("protocol"))
end

local function with_upload(steps, expected)
  steps.submit, steps.submit_large = expected, expected
  return steps
end

local rows = {}

-- `fault` is a table, or makes one of the step's name and the row's stage.
local function row(name, fault, steps, more)
  local made = fault
  if type(fault) == "table" then
    made = function()
      local copy = {}
      for key, value in pairs(fault) do
        copy[key] = value
      end
      return copy
    end
  end
  rows[#rows + 1] = { name = name, fault = made, steps = steps,
    uploads = more and more.uploads or 0, alone = more and more.alone,
    server = more and more.server, client = more and more.client,
    says = more and more.says or {} }
end

-- Any status.  What is certain ends at once, what may pass is tried again, and
-- the upload only where it cannot have been accepted.
for status, kind in pairs({ [400] = "validation", [401] = "authentication",
  [402] = "payment_required", [403] = "forbidden", [404] = "not_found",
  [405] = "protocol", [410] = "not_found", [413] = "source", [415] = "source",
  [418] = "protocol", [422] = "validation" }) do
  row(("a %d"):format(status), { status = status, body = '{"detail":"no"}' },
    with_upload(gets(ends(kind), nil, ends(kind)), ends(kind)))
end
for _, status in ipairs({ 500, 501, 502, 504, 599 }) do
  row(("a %d"):format(status), { status = status },
    with_upload(passing("server"), UNKNOWN))
end
row("a 503", { status = 503 }, with_upload(passing("server"), UNKNOWN))
row("a 503 with Retry-After", { status = 503, retry_after = 0 },
  with_upload(passing("server"), survives("server")))
row("a 503 with a date", { retry_after_date = 0 },
  with_upload(passing("server"), survives("server")))
row("a 429", { status = 429 },
  with_upload(passing("rate_limited"), survives("rate_limited")))
row("a 429 with Retry-After", { status = 429, retry_after = 0 },
  with_upload(passing("rate_limited"), survives("rate_limited")))
row("a 429 with a date that has passed", { status = 429,
  retry_after_date = -60 },
  with_upload(passing("rate_limited"), survives("rate_limited")))
row("a 408", { status = 408 },
  with_upload(passing("server"), survives("server")))
row("a 409", { status = 409 }, with_upload(passing("server"), UNKNOWN))
row("a 499", { status = 499 }, with_upload(gets(ends("protocol"), nil,
  ends("protocol")), UNKNOWN))
row("a 425", { status = 425 }, with_upload(passing("server"), ends("server")))
row("a 502 in HTML", { status = 502, html = true },
  with_upload(passing("server"), UNKNOWN))
row("a 500 before the body is read", { status = 500, at = "headers" },
  with_upload(passing("server"), UNKNOWN))
row("a 403 with headers of its own", { status = 403, body = "\0\1",
  headers = { ["Content-Type"] = "audio/flac", ["X-A"] = { "1", "2" },
    Connection = false } },
  with_upload(gets(ends("forbidden"), nil, ends("forbidden")),
    ends("forbidden")))
row("a 204", { status = 204 }, { status = survives("protocol"),
  poll = survives("timeout"), result = survives("protocol"),
  submit = UNKNOWN })
row("a 200 after the task was made, with another body", { at = "accepted",
  body = "ok" }, { submit = UNKNOWN, submit_large = UNKNOWN }, { uploads = 1 })
row("a 502 after the task was made", { at = "accepted", status = 502 },
  { submit = UNKNOWN, submit_large = UNKNOWN }, { uploads = 1 })

-- The connection.
local broken = passing("network")
for _, ending in ipairs({ "reset", "close" }) do
  row(("a %s before the reply"):format(ending), { [ending] = true },
    with_upload(passing("network"), UNKNOWN))
  row(("a %s after the task was made"):format(ending), { [ending] = true,
    at = "accepted" }, { submit = UNKNOWN, submit_large = UNKNOWN },
    { uploads = 1 })
end
row("a reset in the headers", { raw = "HTTP/1.1 200 O", reset = true },
  with_upload(passing("network"), UNKNOWN))
row("a close in the headers", { raw = "HTTP/1.1 200 OK\r\nContent-Le" },
  with_upload(gets(survives("protocol"), survives("timeout"),
    survives("network")), UNKNOWN))
row("a reset in the body", { reply = { padding = "x" }, truncate = 5,
  reset = true }, with_upload(broken, UNKNOWN))
row("a body that is cut", { reply = { padding = "x" }, truncate = 5 },
  with_upload(broken, UNKNOWN))
row("a body that is cut between chunks", { reply = { padding = "x" },
  chunked = true, truncate = 5 }, with_upload(broken, UNKNOWN))
local hasty = { client = { timeout = 2, stall_timeout = 1,
  reply_timeout = 2 } }
row("silence", { silence = true }, with_upload(broken, UNKNOWN), hasty)
row("silence in the headers", { raw = "HTTP/1.1 200 OK\r\nX: y\r\n",
  silence = true }, gets(survives("network"), survives("timeout")), hasty)
row("silence in the body", { reply = { padding = "x" }, truncate = 5,
  silence = true }, gets(survives("network"), survives("timeout")), hasty)
row("headers that drip for too long", { reply = { padding = "x" },
  slow = "headers", pace = 0.2 }, gets(survives("network"),
    survives("timeout")), hasty)
row("a body that drips for too long", { reply = { padding = "xxxxxxxxx" },
  slow = "body", pace = 0.2 }, gets(survives("network"), survives("timeout")), hasty)
row("a Content-Length that is too large", { reply = { padding = "x" },
  content_length = 1000 }, with_upload(broken, UNKNOWN))
row("a Content-Length that is too small", { reply = { padding = "x" },
  content_length = 5 }, with_upload(unreadable(), UNKNOWN))
row("a Content-Length that is no number", { reply = { padding = "x" },
  content_length = "many" }, with_upload(broken, UNKNOWN))
row("no HTTP at all", { raw = "HELO\r\n\r\n" }, with_upload(broken, UNKNOWN))
row("another protocol", { raw = "SSH-2.0-x\r\n", reset = true },
  with_upload(broken, UNKNOWN))

-- What is well formed, if odd, is no fault.
local function good(more)
  return function(step)
    local fault = { reply = matrix.GOOD[step] }
    for key, value in pairs(more) do
      fault[key] = value
    end
    return fault
  end
end
local fine = with_upload(gets(FINE), FINE)
row("chunks", good({ chunked = true }), fine)
row("headers a byte at a time", good({ slow = "headers", pace = 0.001 }), fine)
row("a body a byte at a time", good({ slow = "body", pace = 0.001 }), fine)
row("bytes behind the body", good({ longer = 1000 }), fine)
row("a reply that ends in a reset", good({ reset = true }), fine)

-- Bodies that cannot be used; a task may have been made all the same.
row("HTML with status 200", { html = true },
  with_upload(unreadable(), UNKNOWN))
row("an empty reply", { empty = true }, with_upload(gets(survives("protocol"),
  survives("timeout"), survives("protocol")), UNKNOWN))
row("invalid JSON", { body = '{"status":' },
  with_upload(unreadable(), UNKNOWN))
row("JSON of a wrong type", { reply = 7 },
  with_upload(unreadable(), UNKNOWN))
row("JSON with fields of wrong types", { reply = { status = 7, task_id = {},
  foreground_audio_url = 7, ["5000"] = 7 } },
  with_upload(unreadable(), UNKNOWN))
row("SUCCESS with a run id that is none", { reply = { status = "SUCCESS",
  run_id = "seven" } }, { status = survives("protocol"),
  poll = survives("protocol") })

-- Replies made to hurt: each alone, as memory is measured.
row("JSON of 100 MB", { json_size = 10 ^ 8 }, with_upload(gets(
  ends("protocol"), nil, survives("protocol")), UNKNOWN), { alone = true })
row("an error of 100 MB", { status = 500, json_size = 10 ^ 8 }, with_upload(
  gets(ends("protocol")), UNKNOWN), { alone = true })
row("JSON that is 10,000 deep", { json_depth = 10000 }, with_upload(
  unreadable(), UNKNOWN), { alone = true })
row("headers without end", { endless_headers = true }, with_upload(gets(
  ends("protocol"), nil, ends("protocol")), UNKNOWN), { alone = true })
row("a gzip bomb", { gzip_bomb = 10 ^ 9 }, with_upload(gets(ends("protocol")),
  UNKNOWN), { alone = true })

-- Redirects: the key never leaves its origin, an upload goes nowhere else.
for _, status in ipairs({ 301, 302, 303, 307, 308 }) do
  local upload = status == 303 and UNKNOWN or ends("protocol")
  row(("a %d to another origin"):format(status), function(_, self)
    return { status = status, redirect = self.server.stem_url .. "/x" }
  end, with_upload(gets(ends("protocol"), nil, ends("forbidden")), upload))
  row(("a %d to file:"):format(status), { status = status,
    redirect = "file:///etc/passwd" },
    with_upload(gets(ends("protocol"), nil, ends("protocol")), upload))
  row(("a %d from https to http"):format(status), function(_, self)
    return { status = status,
      redirect = self.server.stem_url:gsub("^https", "http") .. "/x" }
  end, with_upload(gets(ends("protocol"), nil, ends("protocol")), upload),
    { server = { tls = true } })
end
row("a redirect without a place", { status = 302 }, with_upload(gets(
  ends("protocol"), nil, ends("protocol")), ends("protocol")))

-- What a task may end as, and what else may be said of it.
local WORDS = { SUCCESS = "ok", COMPLETED = "ok", COMPLETE = "ok",
  success = "ok", ERROR = "task_failed", FAILED = "task_failed",
  failed = "task_failed", TIMEOUT = "task_timeout",
  PAYMENT_REQUIRED = "payment_required" }
for word, kind in pairs(WORDS) do
  row("the status " .. word, { reply = { status = word, run_id = 7 } },
    { status = FINE, poll = ends(kind) })
end
for _, reason in ipairs({ "HARMFUL_CONTENT_DETECTED", "VOICE_CONVERSION_ERROR",
  "PROCESSING_ERROR", "SOURCE_TOO_LONG", "SOURCE_TOO_LARGE",
  "SOURCE_TYPE_NOT_SUPPORTED", "ERROR_DOWNLOADING_SOURCE",
  "TOO_MANY_GDRIVE_REQUESTS", "SOURCE_BLOCKED_IN_REGION",
  "SOURCE_IS_AGE_RESTRICTED", "SOURCE_NOT_FOUND", "MISMATCHED_SOURCE_CODEC",
  "CONTENT_DOES_NOT_MATCH_EXTENSION", "INVALID_SOURCE_DATA",
  "VIDEO_DOES_NOT_HAVE_AUDIO_STREAMS", "MASTERING_OUT_OF_RANGE",
  "INVALID_AUDIO_TRACKS_SELECTION", "PAYMENT_REQUIRED", "FORBIDDEN",
  "INTERNAL_ERROR", "A_REASON_OF_TOMORROW" }) do
  row("the reason " .. reason, { reply = { status = "ERROR",
    exception_reason = reason } }, { poll = ends("task_failed") },
    { says = { exception_reason = reason } })
end
row("the reason NONE", { reply = { status = "ERROR",
  exception_reason = "NONE" } }, { poll = ends("task_failed") })
row("a task that is pending", { reply = { status = "PENDING" } },
  { poll = survives("timeout") })
row("a status that is not documented", { reply = { status = "QUEUED" } },
  { poll = survives("protocol") }, { says = { status = "QUEUED" } })
row("SUCCESS without a run id", { reply = { status = "SUCCESS" } },
  { poll = ends("protocol") })
row("a status that is a bare string", { reply = "SUCCESS" },
  { status = FINE, poll = ends("protocol") })

-- URLs that cannot be fetched.
for name, url in pairs({ ["a missing"] = "", ["a relative"] = "/relative",
  ["another scheme's"] = "ftp://h/x", ["a file's"] = "file:///etc/passwd",
  ["a spaced"] = "http://h a/b", ["a broken"] = "http://h/a\r\nb: c",
  ["a schemeless"] = "//h/x" }) do
  local urls = { foreground_audio_url = "http://h/f",
    background_audio_url = url ~= "" and url or nil }
  row(name .. " URL", function(step)
    return { reply = step == "result" and urls or { ["5000"] = urls } }
  end, { result = survives("protocol"), results = survives("protocol") })
end

-- Stems.
row("a cut stem", { cut = 150000 }, { stem = survives("ok") })
row("a stem cut before its first byte", { cut = 0 },
  { stem = survives("network") })
row("a stem without ETag that is cut at the same place each time", {
  body = matrix.AUDIO, truncate = 100000 }, { stem = survives("network") })
row("an expired URL", { expired = true }, { stem = ends("forbidden") })
row("a stem with other bytes than its digest", { corrupt = true },
  { stem = survives("protocol") })
row("an empty stem", { status = 200, empty = true },
  { stem = survives("protocol") })
row("a stem of HTML", { html = true }, { stem = survives("protocol") })
row("a stem without end to its headers", { endless_headers = true },
  { stem = ends("protocol") })
row("bytes behind the announced stem", { body = matrix.AUDIO, longer = 1000 },
  { stem = FINE })
row("a stem that is shorter than announced", { body = "fLaC", truncate = 2,
  headers = { ETag = '"x"' } }, { stem = survives("network") })

describe("the fault matrix #slow:", function()
  local folder, template
  local outcomes = {}

  local function play(list)
    local stages = {}
    for i, one in ipairs(list) do
      stages[i] = matrix.open(template, one.server, one.client)
    end
    camb.run(function()
      for i, one in ipairs(list) do
        camb.spawn(function()
          outcomes[one.name] = matrix.play(stages[i], one)
        end)
      end
    end)
    for i in ipairs(list) do
      matrix.close(stages[i])
    end
  end

  -- Rows that are not measured go side by side: most of their time is pauses.
  setup(function()
    folder = workspace.folder()
    template = matrix.plant(folder)
    local list = {}
    for _, one in ipairs(rows) do
      if not one.alone then
        list[#list + 1] = one
      end
      if #list == 40 then
        play(list)
        list = {}
      end
    end
    play(list)
  end)

  teardown(function()
    workspace.remove(folder)
  end)

  local function check(one, step, times, expected)
    local found = outcomes[one.name][step][times]
    local what = ("%s, %s: %d requests, %s"):format(step, times,
      found.requests, tostring(found.err))
    assert.equal(expected[1], found.kind, what)
    -- the other stem's connection is kept, and libcurl asks again by itself on
    -- one that turns out to be dead
    local by_libcurl = step == "stem" and expected[2] == 2
      and found.requests == 3
    assert.equal(expected[2], found.requests - (by_libcurl and 1 or 0), what)
    assert.is_true(found.seconds < 20, what)
    if step:find("submit") then
      assert.equal(expected == FINE[times] and 0 or one.uploads > 0 and 1
        or found.kind == "ok" and 1 or 0, found.uploads, what)
    end
    for name, value in pairs(found.err and one.says or {}) do
      assert.equal(value, found.err[name])
    end
    if found.err and (step == "poll" or step == "status") then
      assert.equal(matrix.TASK, found.err.task_id, what)
    elseif found.err and step == "result" then
      assert.equal(matrix.RUN, found.err.run_id, what)
    end
    if step ~= "poll" and step ~= "results" then -- polls are told of otherwise
      assert.equal(expected[2] - 1, found.retries, what)
    end
  end

  for _, one in ipairs(rows) do
    it(one.name, function()
      if one.alone then
        collectgarbage()
        local before = workspace.memory()
        workspace.reset_peak()
        play({ one })
        local grown = workspace.peak() - before
        assert.is_true(grown < LIMIT_KIB, grown)
      end
      for step, expected in pairs(one.steps) do
        check(one, step, "once", expected.once)
        check(one, step, "always", expected.always)
      end
    end)
  end

end)
