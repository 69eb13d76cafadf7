-- Whatever is opened and dropped, at whatever stage: descriptors and memory are
-- back where they were.

local camb = require "camb"
local core = require "camb.core"
local luas = require "spec.support.luas"
local served = require "spec.support.served"
local workspace = require "spec.support.workspace"

local MIX = "examples/mix.flac"
local ROUNDS = 1000

-- `work` is warmed up, so that what libraries keep for good is there already;
-- an allocator gives pages back late, hence the slack: it is far below what a
-- leak of one buffer each would come to.  `idle` connections may come and go.
local function stays_level(work, rounds, slack_kib, idle)
  for i = 1, rounds / 10 do
    work(i)
  end
  local descriptors, memory = workspace.descriptors(), workspace.memory()
  for i = 1, rounds do
    work(i)
  end
  workspace.expect_descriptors(descriptors + (idle or 0))
  local grown = workspace.memory() - memory
  assert.is_true(grown < slack_kib, ("grew by %d KiB"):format(grown))
end

describe("descriptors and memory", function()
  local server, folder

  setup(function()
    folder = workspace.folder()
    server = served.start("--processing 1e9")
  end)

  teardown(function()
    server:stop()
    workspace.remove(folder)
  end)

  local function open()
    return camb.client({ base_url = server.base_url,
      api_key = server.api_key })
  end

  it("stay level over a thousand clients that are closed", function()
    stays_level(function()
      open():close()
    end, ROUNDS, 3072)
  end)

  it("stay level over a thousand clients that are dropped", function()
    stays_level(function(i)
      open()
      if i % 20 == 0 then
        collectgarbage("collect")
      end
    end, ROUNDS, 3072)
  end)

  -- A transfer of each kind, dropped or closed after so many steps.
  local function openers(session)
    local status_url = server.base_url .. "/audio-separation/x"
    return {
      function()
        return session:request({ url = status_url })
      end,
      function()
        return session:poll({ url = status_url, interval = 0.01 })
      end,
      function(i)
        return session:download({ url = server.base_url .. "/nowhere.flac",
          part = assert(core.part(folder .. "/stem" .. i)) })
      end,
      function()
        return session:upload({ url = server.base_url .. "/audio-separation",
          part = "media_file", filename = "x.flac", content_type = "audio/flac",
          path = MIX })
      end,
      function()
        return session:upload({ url = server.base_url .. "/audio-separation",
          part = "media_file", filename = "x.flac", content_type = "audio/flac",
          size = 100000 })
      end,
    }
  end

  for _, how in ipairs({ "closed", "dropped" }) do
    for steps = 0, 4 do
      it(("stay level over transfers %s after %d steps"):format(how, steps),
        function()
          local descriptors = workspace.descriptors()
          local session = core.session({ base_url = server.base_url,
            authorization = "x-api-key: " .. server.api_key,
            max_connections = 4 })
          local kinds = openers(session)
          stays_level(function(i)
            local transfer = assert(kinds[i % #kinds + 1](i))
            for _ = 1, steps do
              session:step(0.05)
            end
            repeat
            until not session:next()
            if how == "closed" then
              transfer:close()
            else
              transfer = nil -- luacheck: ignore
              collectgarbage("step", 100)
            end
          end, ROUNDS / 5, 4096, 4)
          luas.collect()
          assert.equal(0, session:active())
          assert.same({}, workspace.list(folder))
          session:close()
          workspace.expect_descriptors(descriptors)
        end)
    end
  end

  it("are given back when a session is closed before its transfers",
    function()
      stays_level(function(i)
        local session = core.session({ base_url = server.base_url,
          authorization = "x-api-key: " .. server.api_key })
        local kinds = openers(session)
        local transfers = {}
        for k, opener in ipairs(kinds) do
          transfers[k] = assert(opener(i))
        end
        session:step(0.05)
        session:close()
        for _, transfer in ipairs(transfers) do
          assert.equal("cancelled", transfer:failure().kind)
          transfer:close()
        end
      end, ROUNDS / 5, 4096)
      assert.same({}, workspace.list(folder))
    end)
end)
