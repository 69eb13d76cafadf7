-- Jobs that were done long ago: out of the way, and never paid for again.

local command = require "spec.support.command"
local takes = require "spec.support.takes"

describe("camb jobs --archive", function()
  local server, folder, run

  command.for_each(3, nil, function(...)
    server, folder, run = ...
  end)

  before_each(function()
    assert.equal(0, select(2, run("timeout 60 camb batch in -o out "
      .. "--interval 0.05")))
  end)

  local function batch(words)
    local output, status = run("timeout 60 camb batch --interval 0.05 %s", words)
    assert.equal(0, status, output)
    return output
  end

  it("moves what is done, and lists it apart", function()
    local output = run("camb jobs -o out --archive 1")
    assert.matches("0 jobs moved into the archive", output, 1, true)
    output = run("camb jobs -o out --archive 0")
    assert.matches("3 jobs moved into the archive", output, 1, true)
    assert.equal("", (run("camb jobs -o out")))
    assert.matches("take003.wav  task ", run("camb jobs -o out --archived"), 1,
      true)
    assert.matches("archived        3\n", run("camb batch -o out --status"), 1,
      true)
  end)

  it("lets each be looked at by its number or its source, and no more",
    function()
      run("camb jobs -o out --archive 0")
      local all = run("camb jobs -o out --archived")
      local second = all:match("(2     [^\n]+\n)")
      assert.equal(second, (run("camb jobs -o out --archived 2")))
      local source = second:match("/in/take%d+.wav")
      assert.equal(second, (run("camb jobs -o out --archived ." .. source)))
      assert.equal("", (run("camb jobs -o out --archived --state failed")))
      local output, status = run("camb jobs -o out 2")
      assert.equal(2, status)
      assert.matches("camb jobs --archived those in the archive", output, 1,
        true)
      output, status = run("camb jobs -o out --archived 4")
      assert.equal(2, status)
      assert.matches('the archive has no job "4"', output, 1, true)
      output, status = run("camb jobs -o out --archived 2 --forget")
      assert.equal(2, status)
      assert.matches("--forget excludes --archived", output, 1, true)
    end)

  it("lets the same line skip what it did, and do what is new", function()
    run("camb jobs -o out --archive 0")
    takes.make(folder .. "/in", 4)
    local output = batch("in -o out")
    assert.matches("take001.foreground.wav\n", output, 1, true)
    assert.matches("out/take004.foreground.wav\n", output, 1, true)
    assert.equal(4, server:stats().uploads)
  end)

  it("remembers the content, whatever its file is called", function()
    run("camb jobs -o out --archive 0; mkdir other; cp in/take001.wav "
      .. "other/copy.wav")
    assert.matches("copy.background.wav\n", batch("other -o out"), 1, true)
    assert.equal(3, server:stats().uploads)
  end)

  it("lets stems that are gone be fetched again", function()
    run("camb jobs -o out --archive 0; rm out/take002.*")
    batch("in -o out")
    assert.matches("take002.background.wav\n", run("ls out"), 1, true)
    assert.equal(3, server:stats().uploads)
  end)

  it("does not end a worker that added what it moves", function()
    run("sh -c 'echo $$ >pid; exec camb batch in -o out --interval 0.05 "
      .. "--follow' >log 2>&1 & true")
    run("camb jobs -o out --archive 0; cp in/take001.wav in/again.wav")
    run("timeout 20 camb batch in -o out --add-only; for i in $(seq 200); do "
      .. "[ -e out/again.background.wav ] && break; sleep 0.05; done")
    assert.matches("again.background.wav\n", run("ls out"), 1, true)
    run("kill $(cat pid)")
    assert.equal(3, server:stats().uploads)
  end)
end)
