-- `camb report`: what it tells of, and the file that it writes.

local camb = require "camb"
local cjson = require "cjson"
local make = require("spec.support.audio").make
local sandbox = require "camb.sandbox"
local store = require "camb.store"
local workspace = require "spec.support.workspace"

local CAMB = (os.getenv "BUILD" or "build") .. "/bin/camb"
local MIX = "spec/fixtures/mix.flac"

local folder

workspace.for_each(function(path)
  folder = path
end)

local function report(words, ...)
  return workspace.run((CAMB .. " report " .. words):format(...))
end

--- What the page at `path` has as JSON under `id`.
local function json_of(path, id)
  local text = workspace.read(path):match('<script type="application/json" '
    .. 'id="' .. id:gsub("%p", "%%%0") .. '">(.-)</script>')
  return text and cjson.decode(text)
end

--- The items of a page that `camb report` writes of `place`, by their names.
local function items(place)
  local page = folder .. "/page.html"
  local output, status = report("'%s' -o '%s'", place, page)
  assert.equal(0, status, output)
  local by_name, list = {}, json_of(page, "data").items
  for _, item in ipairs(list) do
    by_name[item.name] = item
  end
  return by_name, list
end

local function stem(path)
  os.execute(("mkdir -p '%s'"):format(path:match("^(.*)/")))
  return make("-f lavfi -i sine=d=0.5", path)
end

local function pair(base)
  stem(base .. ".foreground.flac")
  stem(base .. ".background.flac")
end

describe("camb report of a folder", function()
  it("has each pair of stems below it, and what they look like", function()
    pair(folder .. "/out/a")
    pair(folder .. "/out/deeper/b [1]*")
    local output, status = report("%s/out -o %s/r.html", folder, folder)
    assert.equal(0, status, output)
    assert.equal(folder .. "/r.html\n", output)
    local list = json_of(folder .. "/r.html", "data").items
    assert.equal(2, #list)
    for i, item in ipairs(list) do
      assert.equal("done", item.state)
      assert.equal(2, #item.tracks)
      assert.equal(0.5, item.tracks[1].duration)
      local pictures = json_of(folder .. "/r.html", "pictures-" .. i - 1)
      assert.equal(2 * 900, #pictures.foreground.peaks)
      assert.equal(720 * 64, #pictures.background.cells)
    end
  end)

  it("refers to the stems from where the page is, whatever they are called",
    function()
      pair(folder .. "/out/50% of #1? \195\188")
      local output = report("%s/out -o %s/r.html", folder, folder)
      local item = json_of(folder .. "/r.html", "data").items[1]
      assert.equal("out/50%25%20of%20%231%3F%20%C3%BC.foreground.flac",
        item.tracks[1].url, output)
      os.execute(("mkdir %s/pages"):format(folder))
      report("%s/out -o %s/pages/r.html", folder, folder)
      item = json_of(folder .. "/pages/r.html", "data").items[1]
      assert.matches("^%.%./out/", item.tracks[1].url)
    end)

  it("shows a pair of which a stem is gone as an error", function()
    stem(folder .. "/out/half.foreground.flac")
    local item = items(folder .. "/out").half
    assert.equal("failed", item.state)
    assert.equal("stems missing", item.word)
    assert.equal("missing: the background", item.error)
    assert.equal(1, #item.tracks)
  end)

  it("tells from the journal what is paid for and not here", function()
    os.execute(("mkdir %s/out"):format(folder))
    workspace.write(folder .. "/out/.camb-journal", table.concat({
      ('{"time":"2026-03-01T12:00:00Z","job":"1","state":"submitting",'
        .. '"source":"%s","output_dir":"%s/out","name":"take"}'):format(
        workspace.run("realpath " .. MIX):gsub("\n", ""), folder),
      '{"time":"2026-03-01T12:00:09Z","job":"1","state":"submitted",'
        .. '"task_id":"t-1"}',
      '{"time":"2026-03-01T12:01:00Z","job":"2","state":"submitting"',
    }, "\n"))
    local item = items(folder .. "/out").take
    assert.equal("open", item.state)
    assert.equal("being separated", item.word)
    assert.equal("t-1", item.task)
    assert.same({ { 1772366400, "upload started" }, { 1772366409,
      "accepted by the service" } }, item.events)
    assert.equal("mixture", item.tracks[1].stem)
  end)

  -- Lines of the journal in "out": each is the fields of one, without braces.
  local function note(...)
    local stamp = '{"time":"2026-03-01T12:00:00Z",'
    workspace.write(folder .. "/out/.camb-journal",
      stamp .. table.concat({ ... }, "}\n" .. stamp) .. "}\n")
  end

  local function submitting(job)
    return ('"job":"%s","state":"submitting","output_dir":"%s/out",'
      .. '"name":"take"'):format(job, folder)
  end

  it("tells of stems what came of them last", function()
    pair(folder .. "/out/take")
    note(submitting(1), '"job":"1","state":"refused"', submitting(2),
      '"job":"2","state":"submitted","task_id":"t-2"',
      '"task_id":"t-2","state":"fetched"')
    local item = items(folder .. "/out").take
    assert.equal("done", item.state)
    assert.equal("t-2", item.task)
    note(submitting(1), '"job":"1","state":"submitted","task_id":"t-1"',
      submitting(2), '"job":"2","state":"submitted","task_id":"t-2"',
      '"task_id":"t-2","state":"fetched"', '"task_id":"t-1","state":"fetched"')
    local by_name, list = items(folder .. "/out")
    assert.equal("t-1", by_name.take.task)
    assert.equal(1, #list)
  end)

  it("misses no stems that were downloaded, and are in another place",
    function()
      pair(folder .. "/out/other")
      note(submitting(1), '"job":"1","state":"submitted","task_id":"t-1"',
        '"task_id":"t-1","state":"fetched"', '"job":"2","state":"submitting"',
        '"job":"2","state":"submitted","task_id":"t-2"',
        '"task_id":"t-2","state":"fetched"')
      local by_name, list = items(folder .. "/out")
      assert.equal("done", by_name.other.state)
      assert.equal(1, #list)
      stem(folder .. "/out/take.background.flac")
      assert.equal("stems missing", items(folder .. "/out").take.word)
    end)

  it("knows from the journal that only one stem was wanted", function()
    local server = assert(sandbox.start())
    local client = camb.client({ base_url = server.base_url,
      api_key = server.api_key, journal = folder .. "/out/.camb-journal" })
    os.execute(("mkdir %s/out"):format(folder))
    assert(client:separate(MIX, { output_dir = folder .. "/out",
      only = "background", interval = 0.1, max_attempts = 1000 }))
    client:close()
    server:stop()
    local item = items(folder .. "/out").mix
    assert.equal("done", item.state)
  end)

  it("passes over lines of the journal that camb has not written", function()
    pair(folder .. "/a")
    workspace.write(folder .. "/.camb-journal", '{"job":1,"name":[1]}\n[]\n'
      .. '7\n"x"\n["a"]\n{"job":"1","state":"submitting","output_dir":{}}\n')
    local _, list = items(folder)
    assert.equal(1, #list)
  end)

  it("takes a name in any bytes, and no stem for one that is no file",
    function()
      pair(folder .. "/out/caf\233")
      workspace.run(("cd %s/out && mkfifo f.foreground.flac && "
        .. "ln -s nowhere l.foreground.flac && mkdir d.foreground.flac")
        :format(folder))
      local found = items(folder .. "/out")
      assert.equal("out/caf%E9.foreground.flac",
        found["caf\\xe9"].tracks[1].url)
      for name, item in pairs(found) do
        assert.equal(name == "caf\\xe9" and 2 or 0, #item.tracks)
      end
    end)

  it("says what cannot be looked at, and plays it all the same", function()
    workspace.write(folder .. "/odd.foreground.flac", "not audio")
    workspace.write(folder .. "/odd.background.flac", "not audio")
    local item = items(folder).odd
    assert.matches("No picture: .*in no supported audio format",
      item.tracks[1].nopicture)
  end)

  it("takes the pictures of files that have not changed from the older page",
    function()
      pair(folder .. "/a")
      pair(folder .. "/b")
      local path = folder .. "/r.html"
      report("%s -o %s", folder, path)
      local page = workspace.read(path)
      local before = json_of(path, "pictures-0")
      -- a mark in what is kept shows where it comes from
      workspace.write(path, (page:gsub('("peaks":")....', "%1MARK")))
      workspace.run(("touch -d 2001-01-01 %s/a.foreground.flac"):format(folder))
      assert.equal(0, select(2, report("%s -o %s", folder, path)))
      local after = json_of(path, "pictures-0")
      assert.same(before.foreground, after.foreground)
      assert.equal("MARK", after.background.peaks:sub(1, 4))
      assert.equal("MARK", json_of(path, "pictures-1").foreground.peaks
        :sub(1, 4))
      local track = json_of(path, "data").items[1].tracks[2]
      assert.same({ 0.5, 44100, 1 }, { track.duration, track.rate,
        track.channels })
    end)

  it("finds the recordings of --mixtures by their names and folders",
    function()
      pair(folder .. "/out/a")
      pair(folder .. "/out/one/01")
      pair(folder .. "/out/two/01")
      for _, name in ipairs({ "a.mp3", "one/01.wav", "two/01.wav" }) do
        stem(folder .. "/in/" .. name)
      end
      local output = report("%s/out -o %s/r.html --mixtures %s/in/", folder,
        folder, folder)
      local urls = {}
      for _, item in ipairs(json_of(folder .. "/r.html", "data").items) do
        assert.equal("mixture", item.tracks[1].stem, output)
        urls[#urls + 1] = item.tracks[1].url
      end
      table.sort(urls)
      assert.same({ "in/a.mp3", "in/one/01.wav", "in/two/01.wav" }, urls)
      output = report("%s/out -o %s/r.html --mixtures /nowhere", folder, folder)
      assert.matches('^camb: "/nowhere" is not a folder\n', output)
    end)

  it("leaves pictures out with --no-pictures", function()
    pair(folder .. "/a")
    report("%s -o %s/r.html --no-pictures", folder, folder)
    assert.is_nil(workspace.read(folder .. "/r.html"):find("pictures-0", 1,
      true))
  end)
end)

describe("camb report of a store", function()
  it("tells of every job, with its mixture, task, times and error", function()
    os.execute(("mkdir %s/in && cp %s %s/in/good.flac"):format(folder, MIX,
      folder))
    workspace.write(folder .. "/in/bad.wav", "not audio")
    workspace.run(("cd %s && '%s' batch in -o stems --store b.db --sandbox")
      :format(folder, workspace.run("realpath " .. CAMB):gsub("\n", "")))
    local found, list = items(folder .. "/b.db")
    assert.equal(2, #list)
    assert.equal("done", found.good.state)
    assert.equal(3, #found.good.tracks)
    assert.equal("in/good.flac", found.good.tracks[1].url)
    assert.is_truthy(found.good.task)
    assert.equal(2, #found.good.events)
    assert.equal("failed", found.bad.state)
    assert.equal("source", found.bad.kind)
    assert.matches("is not audio", found.bad.error)
  end)

  it("tells once of a job of which only one stem is wanted, and that it is done",
    function()
      os.execute(("mkdir %s/in && cp %s %s/in/good.flac"):format(folder, MIX,
        folder))
      workspace.run(("cd %s && '%s' batch in -o stems --only background "
        .. "--sandbox"):format(folder, workspace.run("realpath " .. CAMB)
        :gsub("\n", "")))
      local found, list = items(folder .. "/stems")
      assert.equal(1, #list)
      assert.equal("done", found.good.state)
    end)

  it("tells once of stems that are in a folder each", function()
    os.execute(("mkdir %s/in && cp %s %s/in/good.flac"):format(folder, MIX,
      folder))
    workspace.run(("cd %s && '%s' batch in -o stems --foreground-dir stems/f "
      .. "--background-dir stems/b --sandbox"):format(folder,
      workspace.run("realpath " .. CAMB):gsub("\n", "")))
    local found, list = items(folder .. "/stems")
    assert.equal(1, #list)
    assert.equal("done", found.good.state)
    assert.equal(3, #found.good.tracks)
  end)
end)

describe("the page of camb report", function()
  it("lets run nothing but its own script, and fetches nothing from afar",
    function()
      pair(folder .. "/a")
      report("%s -o %s/r.html", folder, folder)
      local page = workspace.read(folder .. "/r.html")
      local policy = page:match('Content%-Security%-Policy" content="(.-)"')
      assert.matches("^default%-src 'none'; base%-uri 'none'; ", policy)
      assert.is_nil(policy:find("unsafe", 1, true))
      assert.is_nil(page:find("%son%l+="))
      assert.is_nil(page:find("%sstyle="))
      assert.is_nil(page:find("https?://"))
    end)

  it("takes no name, error or title for markup", function()
    local jobs = assert(store.open(folder .. "/b.db"))
    assert(jobs:add({ { key = "k", source = "</script><script>alert(1)</script>"
      .. "<b>\27[31m.wav", name = "</script><img src=x onerror=alert(1)>",
      output_dir = "." } }))
    jobs:close()
    report("%s/b.db -o %s/r.html", folder, folder)
    local page = workspace.read(folder .. "/r.html")
    assert.is_nil(page:find("<img", 1, true))
    assert.is_nil(page:find("<script>alert", 1, true))
    assert.equal("</script><img src=x onerror=alert(1)>",
      json_of(folder .. "/r.html", "data").items[1].name)
  end)

  it("replaces an older one, and no other file", function()
    pair(folder .. "/a")
    assert.equal(0, select(2, report("%s -o %s/r.html", folder, folder)))
    assert.equal(0, select(2, report("%s -o %s/r.html", folder, folder)))
    workspace.write(folder .. "/r.html", "mine")
    local output, status = report("%s -o %s/r.html", folder, folder)
    assert.equal(3, status)
    assert.equal(('camb: the page "%s/r.html" cannot be written: another file '
      .. "has this name"):format(folder), output:match("[^\n]*"))
    assert.equal("mine", workspace.read(folder .. "/r.html"))
  end)

  it("is not written where there is nothing to tell, or no place for it",
    function()
      for words, sentence in pairs({
        [folder] = "contains no stems",
        [folder .. "/nowhere"] = '/nowhere" does not exist\n',
        [MIX] = "is neither a folder nor a store\n",
      }) do
        local output, status = report("'%s' -o %s/r.html", words, folder)
        assert.equal(3, status)
        assert.is_truthy(output:find(sentence, 1, true), output)
        assert.is_nil(workspace.read(folder .. "/r.html"))
      end
      pair(folder .. "/a")
      local output, status = report("%s -o %s/none/r.html", folder, folder)
      assert.equal(3, status)
      assert.matches("there is no such folder\n", output)
    end)
end)
