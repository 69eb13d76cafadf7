local camb = require "camb"
local stage = require "spec.support.stage"
local store = require "camb.store"
local takes = require "spec.support.takes"
local workspace = require "spec.support.workspace"

describe("a batch whose service", function()
  local server, client, folder, path

  stage.for_batches({ retries = 0 }, function(...)
    server, client, folder = ...
    path = folder .. "/batch.db"
  end)

  local function options(more)
    return stage.with({ output_dir = folder .. "/out", interval = 0.05,
      uploads = 2 }, more)
  end

  local function all_of(sources, more, one)
    local items, kinds = {}, {}
    for item in (one or client):batch(sources, options(more)) do
      items[#items + 1] = item
      local kind = item.stems and "stems" or item.error.kind
      kinds[kind] = (kinds[kind] or 0) + 1
    end
    return kinds, items
  end

  for _, place in ipairs({ "a store", "none" }) do
    local has_store = place == "a store"

    it(("refuses its account for a while sends all in the end, with %s")
      :format(place), function()
      -- what is under way when it begins, and two probes
      server:fault({ step = "submit", status = 402, skip = 5, times = 4 })
      local kinds = all_of(takes.make(folder .. "/in", 20),
        { store = has_store and path or nil })
      assert.same({ stems = 20 }, kinds)
      assert.equal(20, server:stats().uploads)
      assert.equal(24, server:stats().requests.submit)
    end)

    it(("answers 429 beyond the retries sends all in the end, with %s")
      :format(place), function()
      server:fault({ step = "submit", status = 429, retry_after = 0, skip = 3,
        times = 3 })
      local kinds = all_of(takes.make(folder .. "/in", 12),
        { store = has_store and path or nil })
      assert.same({ stems = 12 }, kinds)
      assert.equal(12, server:stats().uploads)
    end)

    it(("answers nothing but 429 keeps no job beyond its deadline, with %s")
      :format(place), function()
      server:fault({ step = "submit", status = 429, retry_after = 0,
        times = math.huge })
      local kinds, items = all_of(takes.make(folder .. "/in", 2), {
        deadline = 1, outage_timeout = 60, store = has_store and path or nil })
      assert.same({ timeout = 2 }, kinds)
      assert.is_true(items[1].error.retryable)
      assert.equal(0, server:stats().uploads)
      if has_store then
        server:clear_faults()
        assert.same({ stems = 2 }, all_of({}, { retry_failed = true,
          store = path }))
      end
    end)

    it(("fails with unknown outcomes leaves few of them, with %s")
      :format(place), function()
      server:fault({ step = "submit", status = 500, skip = 3, times = 5 })
      local kinds = all_of(takes.make(folder .. "/in", 20),
        { store = has_store and path or nil })
      assert.same({ stems = 15, unknown_outcome = 5 }, kinds)
      assert.equal(20, server:stats().requests.submit)
    end)
  end

  for _, fault in ipairs({ { step = "status", status = 401, skip = 3 },
    { step = "result", status = 402, skip = 0 } })
  do
    for _, place in ipairs({ "a store", "none" }) do
      it(("refuses %s by %d for a while gives all stems in the end, with %s")
        :format(fault.step, fault.status, place), function()
        server:fault({ step = "results", status = 402, times = math.huge })
        server:fault({ step = fault.step, status = fault.status,
          skip = fault.skip, times = 6 })
        local kinds = all_of(takes.make(folder .. "/in", 6),
          { store = place == "a store" and path or nil })
        assert.same({ stems = 6 }, kinds)
        assert.equal(6, server:stats().uploads)
      end)
    end
  end

  it("refuses the key for paid tasks leaves them as they are", function()
    server:fault({ step = "status", reply = { status = "PENDING" },
      times = math.huge })
    local paths = takes.make(folder .. "/in", 3)
    local running = client:batch(paths, options({ store = path }))
    camb.run(function()
      camb.spawn(function()
        running()
      end)
      workspace.wait_for("the uploads", function()
        camb.sleep(0.05)
        return stage.counts(path).submitted == 3
      end)
      running:close()
    end)
    server:clear_faults()
    server:fault({ step = "status", status = 401, times = math.huge })
    local kinds, items = all_of({}, { store = path })
    assert.is_nil(kinds.stems)
    assert.matches("nothing more was sent", items[#items].error.message)
    assert.same({ submitted = 3 }, stage.counts(path))
    server:clear_faults()
    assert.same({ stems = 3 }, (all_of({}, { store = path })))
    assert.equal(3, server:stats().uploads)
  end)

  it("refuses the one and takes the other is not given up", function()
    for i = 1, 25 do
      server:fault({ step = "submit", status = 402, skip = i })
    end
    local kinds = all_of(takes.make(folder .. "/in", 60),
      { store = path, uploads = 16 })
    assert.same({ stems = 60 }, kinds)
    assert.equal(60, server:stats().uploads)
  end)

  it("refuses one while it takes another is not given up", function()
    server:fault({ step = "submit", status = 402 })
    local paths = takes.make(folder .. "/in", 5)
    local data, given, is_refused = takes.wav(9), 0, false
    local slow = { size = #data, filename = "slow.wav", read = function()
      workspace.wait_for("the refusal of another", function()
        camb.sleep(0.01)
        return is_refused
      end)
      local all = data
      data = nil
      return all
    end }
    local kinds = all_of(function()
      given = given + 1
      return given == 1 and slow or paths[given - 1]
    end, { on_event = function(event)
      is_refused = is_refused or event.name == "retrying"
    end })
    assert.same({ stems = 6 }, kinds)
    assert.equal(6, server:stats().uploads)
  end)

  it("has accepted nothing and refuses the key gives each source its error",
    function()
      server:fault({ step = "submit", status = 401, times = math.huge })
      local kinds = all_of(takes.make(folder .. "/in", 20))
      assert.same({ authentication = 20 }, kinds)
      assert.is_true(server:stats().requests.submit <= 2)
    end)

  it("has accepted nothing and refuses the key leaves jobs as they are",
    function()
      server:fault({ step = "submit", status = 401, times = 2 })
      local paths = takes.make(folder .. "/in", 20)
      local kinds, items = all_of(paths, { store = path })
      assert.is_nil(kinds.stems)
      assert.is_true(kinds.authentication <= 3)
      assert.matches("nothing more was sent", items[#items].error.message)
      assert.same({ intended = 20 }, stage.counts(path))
      server:clear_faults()
      assert.same({ stems = 20 }, (all_of(paths, { store = path })))
      assert.equal(20, server:stats().uploads)
    end)

  it("stays away is given up after a while", function()
    server:fault({ step = "submit", status = 402, skip = 4,
      times = math.huge })
    local kinds = all_of(takes.make(folder .. "/in", 12),
      { store = path, outage_timeout = 2 })
    assert.equal(4, kinds.stems)
    assert.is_true(kinds.payment_required <= 3)
    assert.same({ intended = 8, downloaded = 4 }, stage.counts(path))
  end)

  it("is away says when it is given up", function()
    client:close()
    local first = {}
    client = camb.client({ base_url = "http://127.0.0.1:1/apis", api_key = "k",
      retries = 0 })
    local kinds = all_of(takes.make(folder .. "/in", 3), { outage_timeout = 3,
      on_event = function(event)
        if event.source == "the service" and event.next_in then
          first[#first + 1] = event
        end
      end })
    assert.same({ network = 3 }, kinds)
    assert.is_true(first[1].gives_up_in <= 3 and first[1].gives_up_in > 0)
    for _, event in ipairs(first) do
      assert.is_nil(event.reason:find("polling", 1, true), event.reason)
    end
  end)

  it("refuses one worker is left alone by the others of the store", function()
    server:fault({ step = "submit", status = 402, skip = 6, times = 6 })
    local other = stage.client(server, { retries = 0 })
    local paths = takes.make(folder .. "/in", 30)
    local stems = 0
    local function work(one)
      local kinds = all_of(paths, { store = path }, one)
      stems = stems + (kinds.stems or 0)
      assert.is_nil(kinds.payment_required)
    end
    camb.run(function()
      camb.spawn(work, client)
      camb.spawn(work, other)
    end)
    other:close()
    assert.same({ downloaded = 30 }, stage.counts(path))
    assert.equal(30, server:stats().uploads)
    assert.equal(36, server:stats().requests.submit)
  end)

  -- Take these in a coroutine, until `is_there()`; then call `act`, and wait for
  -- the end.
  local function all_with(paths, more, is_there, act)
    local kinds, problem
    camb.run(function()
      camb.spawn(function()
        kinds = all_of(paths, more)
      end)
      local function wait_for(what, condition)
        local ok
        ok, problem = pcall(workspace.wait_for, what, function()
          camb.sleep(0.05)
          return condition()
        end, 30)
        return ok
      end
      if wait_for("the outage", is_there) then
        act()
        wait_for("the end", function()
          return kinds ~= nil
        end)
      end
      client:close()
    end)
    assert(kinds, problem)
    return kinds
  end

  for _, place in ipairs({ "a store", "none" }) do
    it(("is away altogether has no more uploads in doubt the longer it is, "
      .. "with %s"):format(place), function()
      for _, step in ipairs({ "submit", "status", "result", "results" }) do
        server:fault({ step = step, status = 503, skip = step == "submit" and 2
          or 0, times = math.huge })
      end
      local pauses = 0
      local kinds = all_with(takes.make(folder .. "/in", 8), {
        store = place == "a store" and path or nil,
        uploads = 1,
        on_event = function(event)
          pauses = pauses + (event.source == "the service" and 1 or 0)
        end,
      }, function()
        return pauses >= 3 -- one begins it, and two probes
      end, function()
        server:clear_faults()
      end)
      assert.same({ stems = 5, unknown_outcome = 3 }, kinds)
      assert.equal(8, server:stats().requests.submit)
    end)
  end

  it("refuses its account for a while gets another probe if one cannot be sent",
    function()
      server:fault({ step = "submit", status = 402, skip = 1, times = 1 })
      local paths, told = takes.make(folder .. "/in", 3), false
      local kinds = all_with(paths, {
        store = path,
        concurrency = 1,
        on_event = function(event)
          told = told or event.source == "the service"
        end,
      }, function()
        return told
      end, function()
        workspace.write(paths[2], "another recording")
      end)
      assert.same({ stems = 2, source = 1 }, kinds)
    end)

  it("is paused by hand sends nothing until it is resumed", function()
    local jobs = assert(store.open(path))
    assert(jobs:halt("the engineer is asleep"))
    local paths = takes.make(folder .. "/in", 3)
    local kinds
    camb.run(function()
      camb.spawn(function()
        kinds = all_of(paths, { store = path })
      end)
      workspace.wait_for("the jobs", function()
        camb.sleep(0.05)
        return jobs:count().intended == 3
      end)
      camb.sleep(1)
      assert.equal(0, server:stats().requests.submit)
      assert(jobs:halt(nil))
    end)
    jobs:close()
    assert.same({ stems = 3 }, kinds)
  end)

  it("is paused by hand is said to be so again and again", function()
    local jobs = assert(store.open(path))
    assert(jobs:halt("the engineer is asleep"))
    local told = {}
    camb.run(function()
      camb.spawn(all_of, takes.make(folder .. "/in", 1), { store = path,
        on_event = function(event)
          told[#told + 1] = event
        end })
      local ok, problem = pcall(workspace.wait_for, "the second time",
        function()
          camb.sleep(0.05)
          return #told >= 2
        end, 30)
      assert(jobs:halt(nil))
      assert(ok, problem)
    end)
    jobs:close()
    for i = 1, 2 do
      assert.equal("sending is paused: the engineer is asleep", told[i].reason)
      assert.equal("the store", told[i].source)
      assert.is_nil(told[i].next_in)
    end
  end)

  it("refuses a converted file for a while knows it by its original", function()
    local paths = {}
    for i, take in ipairs(takes.make(folder .. "/in", 2, 16000)) do
      paths[i] = take:gsub("wav$", "ogg")
      workspace.run(("ffmpeg -v error -i %s %s"):format(take, paths[i]))
    end
    server:fault({ step = "submit", status = 402, skip = 1, times = 1 })
    assert.same({ stems = 2 }, (all_of(paths, { store = path, uploads = 1,
      convert = true })))
    assert.equal(3, server:stats().requests.submit)
    local jobs = assert(store.open(path))
    for row in jobs:each() do
      assert.equal(workspace.run("sha256sum " .. row.source):match("^%x+"),
        row.sha256)
      assert.equal(#workspace.read(row.source), row.size)
    end
    jobs:close()
  end)
end)
