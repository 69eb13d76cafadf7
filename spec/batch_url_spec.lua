-- Batches of sources that are URLs: each is fetched before anything is paid for,
-- and what comes is treated like a file.

local camb = require "camb"
local stage = require "spec.support.stage"
local takes = require "spec.support.takes"
local workspace = require "spec.support.workspace"

local LUA = os.getenv("LUA") or "lua5.4"

describe("a batch of URLs", function()
  local server, client, folder, path, take, urls

  stage.for_batches(nil, function(...)
    server, client, folder = ...
    path = folder .. "/batch.db"
    take = takes.make(folder .. "/in", 2)
    urls = assert(client:separate(take[1], { download = false,
      interval = 0.05, max_attempts = 1000 }))
  end)

  local function all_of(sources, more)
    local items = {}
    for item in client:batch(sources, stage.with({
      output_dir = folder .. "/out", interval = 0.05,
      max_attempts = 1000 }, more)) do
      items[item.index] = item
    end
    return items
  end

  local function counts()
    return stage.counts(path)
  end

  it("pays once for what a URL leads to, also in another run, by the journal",
    function()
      local sent = server:stats().uploads
      for _ = 1, 2 do
        local other = stage.client(server, { journal = folder .. "/journal" })
        for item in other:batch({ urls.foreground_audio_url }, {
          output_dir = folder .. "/out", interval = 0.05,
          max_attempts = 1000, overwrite = true })
        do
          assert(item.stems, item.error)
        end
        other:close()
        assert.equal(sent + 1, server:stats().uploads)
      end
    end)

  it("is not sent while its content may have been sent by a run that was killed",
    function()
      local noted = folder .. "/journal"
      local other = stage.client(server, { journal = noted })
      assert(other:submit(take[1]))
      workspace.write(noted, workspace.read(noted):match("[^\n]+\n"))
      local kinds = {}
      for i = 1, 3 do
        for item in other:batch({ urls.foreground_audio_url }, {
          output_dir = folder .. "/out", interval = 0.05, deadline = 60,
          resubmit_unknown = i == 3 })
        do
          kinds[i] = item.stems and "stems" or item.error.kind
        end
      end
      other:close()
      assert.same({ "unknown_outcome", "unknown_outcome", "stems" }, kinds)
    end)

  for where, concurrency in pairs({ ["all at once"] = 8,
    ["one after the other"] = 1 })
  do
    for what, batch_store in pairs({ ["a store"] = true, ["none"] = false }) do
      it(("uploads the same content once, %s, with %s"):format(where, what),
        function()
          local items = all_of({
            { source = urls.foreground_audio_url, name = "a" },
            { source = take[2], name = "b" },
            { source = urls.background_audio_url, name = "c" },
            { source = take[1], name = "d" },
          }, { concurrency = concurrency, store = batch_store and path or nil })
          for i, content in ipairs({ 1, 2, 1, 1 }) do
            assert(items[i].stems, items[i].error)
            assert.equal(takes.wav(content),
              workspace.read(items[i].stems.background))
          end
          assert.equal(1 + 2, server:stats().uploads)
        end)
    end
  end

  it("shares the upload of a file of its content that goes up meanwhile",
    function()
      server:fault({ step = "submit", status = 429, retry_after = 1 })
      local items = all_of({ { source = take[1], name = "a" },
        { source = urls.foreground_audio_url, name = "b" } })
      for i = 1, 2 do
        assert(items[i].stems, items[i].error)
      end
      assert.equal(items[1].task_id, items[2].task_id)
      assert.equal(1 + 1, server:stats().uploads)
    end)

  it("is fetched again, and sent once, where it was killed while it fetched",
    function()
      local url = urls.foreground_audio_url
      server:fault({ step = "stem", silence = true })
      workspace.write(folder .. "/batch.lua", ([[
        local client = require("camb").client()
        for item in client:batch({ "%s" }, { store = "%s", lease = 1,
          output_dir = "%s/out" }) do
          print(item.error)
        end
      ]]):format(url, path, folder))
      local pid = workspace.run(("CAMB_API_KEY=%s CAMB_BASE_URL=%s %s "
        .. "%s/batch.lua > %s/log 2>&1 & echo $!"):format(server.api_key,
        server.base_url, LUA, folder, folder)):match("%d+")
      local give_up = os.time() + 60
      while server:stats().requests.stem == 0 do
        assert(os.time() < give_up, workspace.read(folder .. "/log"))
        camb.sleep(0.02)
      end
      local part = workspace.run(("readlink /proc/%s/fd/* | grep '/camb-......'")
        :format(pid)):match("^(%S+)")
      workspace.stop(pid, "KILL")
      assert.is_nil(workspace.read(part))
      assert.same({ intended = 1 }, counts())
      local items = all_of({ url }, { store = path })
      assert(items[1].stems, items[1].error)
      assert.equal(1 + 1, server:stats().uploads)
    end)

  it("ends a job whose URL cannot be fetched, and the others go on", function()
    local gone = server.base_url:gsub("/apis$", "/no.wav")
    local items = all_of({ gone, take[2] }, { store = path })
    assert.equal("source", items[1].error.kind)
    assert.matches("^the source does not exist at its host %(HTTP 404", items[1].error.message)
    assert(items[2].stems, items[2].error)
    assert.same({ failed = 1, downloaded = 1 }, counts())
    assert.equal(1 + 1, server:stats().uploads)
  end)

  it("blames the source, and no key or credit, for what its host refuses",
    function()
      local rejected = "the source's host rejected the request"
      for status, words in pairs({ [401] = rejected, [402] = rejected,
        [410] = "the source does not exist at its host", [422] = rejected })
      do
        server:fault({ step = "stem", status = status })
        local item = all_of({ urls.foreground_audio_url })[1]
        assert.equal("source", item.error.kind)
        assert.matches("^" .. words, item.error.message)
        assert.equal(status, item.error.http_status)
      end
      assert.equal(1, server:stats().uploads)
    end)

  it("says when to come back where the source's host asks for more time than "
    .. "there is", function()
    server:fault({ step = "stem", status = 503, retry_after = 3600 })
    local item = all_of({ urls.foreground_audio_url }, { deadline = 30 })[1]
    assert.equal("rate_limited", item.error.kind)
    assert.equal(3600, item.error.retry_after)
    assert.matches("^the source's host is unavailable %(HTTP 503",
      item.error.message)
    assert.equal(1, server:stats().requests.stem)
  end)

  it("names the URL, not the file it came into, of what is not taken",
    function()
      server:fault({ step = "stem", body = "OggS\0\2" .. ("\0"):rep(100) })
      local item = all_of({ urls.foreground_audio_url })[1]
      assert.equal("source", item.error.kind)
      assert.matches('^the source "http://[%d.:]+/stems/[^"]+" is Ogg',
        item.error.message)
      assert.matches("^http://[%d.:]+/stems/", item.error.path)
      assert.equal(1, server:stats().uploads)
    end)

  it("gives a job back that is being fetched when the batch is left", function()
    server:fault({ step = "stem", silence = true })
    local batch = client:batch({ urls.foreground_audio_url, take[2] },
      { store = path, output_dir = folder .. "/out", interval = 0.05 })
    assert(batch().stems)
    batch:close()
    assert.same({ intended = 1, downloaded = 1 }, counts())
  end)
end)
