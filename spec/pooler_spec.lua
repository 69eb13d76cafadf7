-- A pooler between the workers and PostgreSQL.

local camb_store = require "camb.store"
local postgres = require "spec.support.postgres"
local workspace = require "spec.support.workspace"

describe("pgbouncer", function()
  if select(2, workspace.run("command -v pgbouncer")) ~= 0 then
    pending("pgbouncer is not installed")
    return
  end
  local server = postgres.for_block_unless_sanitized()
  if not server then
    return
  end

  local pooler

  after_each(function()
    pooler:stop()
  end)

  it("in session mode serves any number of workers", function()
    pooler = server:pool("session")
    local first = assert(camb_store.open(pooler.url))
    local second = assert(camb_store.open(pooler.url))
    assert.equal(1, first:add({ { key = "a", source = "a" } }))
    local rows = assert(second:claim(5))
    assert.equal("a", rows[1].key)
    assert.is_true(second:submitting("a"))
    assert.same({ submitting = 1 }, first:count())
    first:close()
    second:close()
  end)

  it("in transaction mode is refused with a sentence, before any job",
    function()
      pooler = server:pool("transaction")
      for _ = 1, 3 do
        local jobs, err = camb_store.open(pooler.url)
        assert.is_nil(jobs)
        assert.equal("store", err.kind)
        assert.matches("a pooler such as pgbouncer has to run in session mode",
          err.message, 1, true)
        assert.is_false(err.retryable)
      end
    end)
end)
