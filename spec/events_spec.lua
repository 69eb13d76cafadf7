-- What listeners are told is what the table of events says.

local errors = require "camb.error"
local events = require "camb.events"
local stage = require "spec.support.stage"
local workspace = require "spec.support.workspace"

local MIX = "spec/fixtures/mix.flac"
local ALWAYS = { name = true, time = true, source = true, task_id = true,
  run_id = true, sentence = true, fraction = true }

local known = {}
for _, event in ipairs(events) do
  known[event.name] = {}
  for field in (event.fields or ""):gmatch("%S+") do
    known[event.name][field] = true
  end
end

describe("events", function()
  local server, client, folder, seen

  setup(function()
    server, client, folder = stage.open({ processing = 0.2 }, {
      on_event = function(event)
        seen[#seen + 1] = event
      end })
  end)

  before_each(function()
    seen = {}
  end)

  teardown(function()
    stage.close(server, client, folder)
  end)

  local function hold_against_table()
    local names = {}
    for _, event in ipairs(seen) do
      names[event.name] = true
      assert.is_table(known[event.name], event.name)
      for field in pairs(event) do
        assert.is_true(ALWAYS[field] or known[event.name][field],
          event.name .. "." .. field)
      end
    end
    return names
  end

  it("of a whole run have the fields that the table names", function()
    server:fault({ step = "status", status = 503 })
    server:fault({ step = "stem", cut = 1000 })
    assert(client:separate(MIX, { output_dir = folder, interval = 0.1,
      deadline = 60 }))
    local names = hold_against_table()
    for _, name in ipairs({ "upload_started", "upload_progress", "submitted",
      "polled", "run_ready", "download_started", "download_progress",
      "downloaded", "retrying", "finished" }) do
      assert.is_true(names[name], name)
    end
  end)

  it("say in one sentence what happened, and how far the whole call has come",
    function()
      server:fault({ step = "status", status = 503 })
      assert(client:separate(MIX, { output_dir = folder, overwrite = true,
        interval = 0.1, deadline = 60 }))
      local before, said = 0, {}
      for _, event in ipairs(seen) do
        assert.matches("^%u[^\n]*%.$", event.sentence)
        assert.not_matches("[{}%[%]]", event.sentence)
        assert.is_true(event.fraction >= before and event.fraction <= 1,
          event.name)
        before = event.fraction
        said[event.name] = said[event.name] or event.sentence
      end
      assert.equal(1, before)
      assert.equal("Uploading mix.flac.", said.upload_started)
      assert.matches("^Uploading %d+ %%%.$", said.upload_progress)
      assert.matches("^Downloading the %l+ground %d+ %%%.$",
        said.download_progress)
      assert.matches("^Retrying in [%d.]+ s: HTTP 503%.$", said.retrying)
    end)

  it("of one step count that step alone", function()
    local task = assert(client:submit(MIX))
    assert.equal(1, seen[#seen].fraction)
    local run = assert(task:wait({ interval = 0.05, max_attempts = 1000 }))
    assert.equal(1, seen[#seen].fraction)
    assert(client:download(run, { output_dir = folder, name = "one",
      only = "foreground" }))
    assert.equal(1, seen[#seen].fraction)
    assert.equal("Downloaded the foreground.", seen[#seen].sentence)
  end)

  it("of a batch and of a failure have them, too", function()
    server:fault({ step = "submit", status = 402 })
    for item in client:batch({ MIX }, { output_dir = folder .. "/batch" }) do
      assert.equal("payment_required", item.error.kind)
    end
    assert.is_true(hold_against_table().failed)
    assert.matches("^Failed: [^\n]*%.$", seen[#seen].sentence)
    assert.is_true(seen[#seen].fraction <= 0.4)
  end)

  it("say every pause, whatever tenths of a second it takes", function()
    for tenths = 1, 2000 do
      local event = { name = "retrying", reason = "x", next_in = tenths / 10 }
      require("camb.description").add(event)
      local number = assert(event.sentence:match("in ([%d.]+) s"))
      assert.is_true(math.abs(tonumber(number) - tenths / 10) < 0.11)
    end
  end)
end)

describe("errors", function()
  it("are of a kind that the table explains", function()
    local text = workspace.run("grep -rhoE 'kind = \"[a-z_]+\"' lua")
    local count = 0
    for kind in text:gmatch('kind = "([%l_]+)"') do
      count = count + 1
      assert.is_table(errors.kind(kind), kind)
    end
    assert.is_true(count > 30)
  end)

  it("say what happened and what to do in sentences", function()
    for _, entry in ipairs(errors.KINDS) do
      assert.matches("^%u.*%.$", entry.when)
      assert.matches("^%u?.*%.$", entry.cure)
    end
  end)
end)
