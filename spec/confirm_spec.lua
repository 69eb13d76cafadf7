-- What is to be done with stems before a job counts as done: --on-done, and the
-- option `confirm` behind it.

local camb = require "camb"
local command = require "spec.support.command"
local core = require "camb.core"
local json = require "camb.json"
local stage = require "spec.support.stage"
local store = require "camb.store"
local takes = require "spec.support.takes"
local workspace = require "spec.support.workspace"

local function sha256(path)
  local digest = core.sha256()
  digest:add(workspace.read(path))
  return digest:finish()
end

describe("the command of --on-done", function()
  local server, folder, run

  command.for_each(1, nil, function(...)
    server, folder, run = ...
  end)

  local function batch(words)
    return run("timeout 60 camb batch -o out --interval 0.05 " .. words)
  end

  local function told()
    local items = {}
    for line in (workspace.read(folder .. "/told") or ""):gmatch("[^\n]+") do
      items[#items + 1] = assert(json.decode(line))
    end
    return items
  end

  local function counts()
    return stage.counts(folder .. "/out/.camb.db")
  end

  -- A batch in the background, when its command runs.
  local function begin(words)
    run("sh -c 'echo $$ >pid; exec camb batch in -o out --interval 0.05 "
      .. "--on-done \"$1\"' - %s >log 2>&1 & true", words)
    workspace.wait_for("the command", function()
      return (workspace.read(folder .. "/ran") or "") ~= ""
    end)
  end

  it("is told the stems with their digests, and decides whether the job is done",
    function()
      local output, status = batch("in --on-done 'cat >>told; exit 3'")
      assert.equal(1, status, output)
      assert.matches("camb: in/take001.wav: the command of --on-done ended "
        .. "with status 3\n", output, 1, true)
      assert.same({ failed = 1 }, counts())
      local item = told()[1]
      assert.equal("done", item.state)
      for _, stem in ipairs({ "foreground", "background" }) do
        assert.equal(sha256(item[stem]), item[stem .. "_sha256"])
      end
      assert.equal(1, #told())
      assert.matches("--on-done 'cat >>told; exit 3' --retry-failed\n", output,
        1, true)
    end)

  it("is all that is done again for a job that it failed", function()
    batch("in --on-done 'exit 3'")
    local before = server:stats()
    local output, status = batch("--retry-failed --on-done 'cat >>told'")
    assert.equal(0, status, output)
    assert.equal(1, #told())
    assert.same({ downloaded = 1 }, counts())
    assert.same(before.requests, server:stats().requests)
    assert.equal(1, server:stats().uploads)
    assert.equal(0, select(2, batch("in --on-done 'cat >>told'")))
    assert.equal(1, #told())
  end)

  it("is tried again after the pause of the job's attempts", function()
    local output, status = batch("in --attempts 2 "
      .. "--on-done 'cat >>told; [ -e ran ] || { touch ran; exit 1; }'")
    assert.equal(0, status, output)
    assert.matches("the command of --on-done ended with status 1: retrying in "
      .. "5.0 s\n", output, 1, true)
    assert.equal(2, #told())
    assert.equal(1, server:stats().uploads)
  end)

  it("runs again for stems that are there if camb was killed amid it", function()
    begin("'echo $$ >ran; exec sleep 60'")
    run("kill -9 $(cat pid) $(cat ran)")
    local before = server:stats()
    local output, status = batch("--on-done 'cat >>told'")
    assert.equal(0, status, output)
    assert.equal(1, #told())
    assert.same(before.requests, server:stats().requests)
    assert.equal(1, server:stats().uploads)
  end)

  it("ends a job also if the shell around it is killed, or it never ends",
    function()
      begin("'echo $PPID >ran; exec sleep 60'")
      run("kill -9 $(cat ran)")
      workspace.wait_for("the end", function()
        return counts().failed == 1
      end)
      workspace.wait_for("the words", function()
        return workspace.read(folder .. "/log"):find(
          "the command of --on-done was killed\n", 1, true)
      end)
      local output, status = batch("--retry-failed --on-done-timeout 0.2 "
        .. "--on-done 'echo $$ >hung; exec sleep 60'")
      assert.equal(10, status, output)
      assert.matches("was ended after 0.2 s (--on-done-timeout)\n", output, 1,
        true)
      workspace.wait_for_end(workspace.read(folder .. "/hung"):match("%d+"))
      assert.equal(1, server:stats().uploads)
    end)

  it("runs again, after another download, if the stems are gone", function()
    batch("in --on-done 'exit 3'")
    run("rm out/take001.*")
    local output, status = batch("--retry-failed --on-done 'cat >>told'")
    assert.equal(0, status, output)
    assert.equal(told()[1].foreground_sha256, sha256(told()[1].foreground))
    assert.equal(1, server:stats().uploads)
  end)

  it("is a condition for a stem that is fetched later, too", function()
    assert.equal(0, select(2, batch("in --on-done true")))
    run("rm out/take001.background.*")
    local output, status = batch("in --on-done 'exit 3'")
    assert.equal(1, status, output)
    assert.same({ failed = 1 }, counts())
    local before = server:stats()
    output, status = batch("in --retry-failed --on-done 'cat >>told'")
    assert.equal(0, status, output)
    assert.equal(1, #told())
    assert.equal(sha256(told()[1].background),
      told()[1].background_sha256)
    assert.same(before.requests, server:stats().requests)
    assert.same({ downloaded = 1 }, counts())
  end)

  it("runs again for a stem that was fetched later if camb was killed amid it",
    function()
      assert.equal(0, select(2, batch("in --on-done true")))
      run("rm out/take001.background.*")
      begin("'echo $$ >ran; exec sleep 60'")
      run("kill -9 $(cat pid) $(cat ran)")
      local output, status = batch("in --on-done 'cat >>told'")
      assert.equal(0, status, output)
      assert.equal(1, #told())
      assert.same({ downloaded = 1 }, counts())
      assert.equal(1, server:stats().uploads)
    end)

  it("may end within the time of a drain", function()
    begin("'echo $$ >ran; while ! [ -e go ]; do sleep 0.05; done'")
    run("kill -TERM $(cat pid)")
    workspace.wait_for("the drain", function()
      return workspace.read(folder .. "/log"):find("finishing uploads", 1, true)
    end)
    run("touch go")
    workspace.wait_for("the end", function()
      return counts().downloaded == 1
    end)
  end)

  it("decides without a store, too", function()
    local output, status = batch("in --no-store --on-done 'cat >>told; exit 3'")
    assert.equal(1, status, output)
    assert.equal(sha256(folder .. "/" .. told()[1].background),
      told()[1].background_sha256)
  end)
end)

describe("the option `confirm` of a batch", function()
  local server, client, folder

  stage.for_batches(nil, function(...)
    server, client, folder = ...
  end)

  local function run(options)
    local items = {}
    options.output_dir, options.interval = folder .. "/out", 0.05
    for item in client:batch(takes.make(folder .. "/in", 3), options) do
      items[#items + 1] = item
    end
    return items
  end

  it("may wait, and is called once for each job", function()
    local sources = {}
    local items = run({ store = folder .. "/batch.db", confirm = function(item)
      camb.sleep(0.01)
      sources[item.source] = (sources[item.source] or 0) + 1
      return core.stat(item.stems.foreground) == "file"
    end })
    for _, item in ipairs(items) do
      assert.is_table(item.stems)
      assert.equal(1, sources[item.source])
    end
    assert.equal(3, #items)
  end)

  it("gives the reason of the error", function()
    local items = run({ store = folder .. "/batch.db", confirm = function()
      return nil, "the desk is closed"
    end })
    for _, item in ipairs(items) do
      assert.is_nil(item.stems)
      assert.equal("hook", item.error.kind)
      assert.equal("confirm", item.error.step)
      assert.equal("the desk is closed", item.error.message)
      assert.is_true(item.error.retryable)
      assert.is_string(item.error.task_id)
    end
    local jobs = assert(store.open(folder .. "/batch.db"))
    for row in jobs:each() do
      assert.equal("failed", row.state)
      assert.equal(sha256(row.foreground), row.foreground_sha256)
    end
    jobs:close()
  end)

  it("ends the batch by an error that it raises, and loses nothing", function()
    local ok, problem = pcall(run, { store = folder .. "/batch.db",
      confirm = function()
        error("out of paper", 0)
      end })
    assert.is_false(ok)
    assert.equal("out of paper", problem)
    assert.is_nil(stage.counts(folder .. "/batch.db").downloaded)
    local items = run({ store = folder .. "/batch.db", confirm = function()
      return true
    end })
    assert.equal(3, #items)
    assert.equal(3, server:stats().uploads)
  end)
end)
