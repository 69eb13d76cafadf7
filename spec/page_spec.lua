-- The page of `camb report` in headless Chromium, opened from its file.

local axe = require "spec.support.axe"
local browser = require "spec.support.browser"
local core = require "camb.core"
local luas = require "spec.support.luas"
local make = require("spec.support.audio").make
local workspace = require "spec.support.workspace"

local CAMB = (os.getenv "BUILD" or "build") .. "/bin/camb"
local SECONDS = 20
local TOGETHER = 0.020

-- How far the tracks that play are apart now, in seconds; -1: none does.
local APART_NOW = [[(() => {
  const times = [...document.querySelectorAll("audio")]
    .filter((audio) => !audio.paused).map((audio) => audio.currentTime);
  return times.length === 0 ? -1 : Math.max(...times) - Math.min(...times);
})()]]

local folder, page, chromium

-- A recording and its stems, and the journal that knows of all three.
local function add_take(name, journal)
  local source = make(("-f lavfi -i 'aevalsrc=0.4*sin(660*t)|0.4*sin(440*t)"
    .. ":s=44100:d=%d'"):format(SECONDS), ("%s/%s.wav"):format(folder, name))
  for stem, hz in pairs({ foreground = 660, background = 440 }) do
    make(("-f lavfi -i 'sine=%d:r=44100:d=%d' -ac 2"):format(hz, SECONDS),
      ("%s/out/%s.%s.flac"):format(folder, name, stem))
  end
  journal[#journal + 1] = ('{"time":"2026-03-01T12:00:00Z","job":"%s",'
    .. '"state":"submitting","source":"%s","output_dir":"%s/out","name":"%s"}\n'
    .. '{"time":"2026-03-01T12:01:00Z","job":"%s","state":"fetched",'
    .. '"task_id":"task-%s"}\n'):format(name, core.real_path(source),
    core.real_path(folder), name, name, name)
end

setup(function()
  folder = workspace.folder()
  os.execute(("mkdir %s/out"):format(folder))
  local journal = {}
  for _, name in ipairs({ "alpha", "beta", "gamma" }) do
    add_take(name, journal)
  end
  os.execute(("rm %s/out/gamma.background.flac"):format(folder))
  workspace.write(folder .. "/out/.camb-journal", table.concat(journal))
  page = folder .. "/report.html"
  local output, status = workspace.run(("%s report %s/out -o %s"):format(CAMB,
    folder, page))
  assert(status == 0, output)
  chromium = browser.open()
end)

teardown(function()
  if chromium then
    chromium:close()
  end
  workspace.remove(folder)
end)

local function open(width, height, scheme)
  chromium:screen(width or 1200, height or 900, scheme)
  chromium:go("file://" .. page)
end

-- What to find the card of `name` by.
local function card(name, selector)
  local index = chromium:run(([[
    return [...document.querySelectorAll(".card")].find((element) =>
      element.querySelector("h2").textContent === "%s").dataset.index]])
    :format(name))
  return (".card[data-index='%s'] %s"):format(index, selector or "")
end

local function times()
  return chromium:run([[return [...document.querySelectorAll("audio")]
    .map((audio) => audio.currentTime)]])
end

-- Until all tracks play from `from` on.
local function plays(from)
  chromium:wait_for(([[(() => {
    const all = [...document.querySelectorAll("audio")].filter((a) => !a.paused);
    return all.length > 1 && all.every((a) => a.currentTime > %g
      && a.currentTime < %g + 5 && !a.seeking); })()]]):format(from, from))
end

-- How far they are apart for a second: the median, as a busy machine may keep
-- the page itself waiting between two looks.
local function apart()
  return chromium:await(([[
    const seen = [];
    while (seen.length < 21) {
      await new Promise((done) => setTimeout(done, 50));
      seen.push(%s);
    }
    return seen.sort((a, b) => a - b)[10];]]):format(APART_NOW))
end

-- They come together soon after a start: the first look may be too early on a
-- busy machine.
local function come_together()
  local found
  workspace.wait_for("tracks together", function()
    found = apart()
    return found >= 0 and found < TOGETHER
  end, 10)
  return found
end

local function is_silent()
  return chromium:wait_for(APART_NOW .. " === -1")
end

local function volumes()
  return chromium:run([[
    return Object.fromEntries([...document.querySelectorAll("audio")].map((audio) =>
      [audio.src.includes("foreground") ? "voice"
        : audio.src.includes("background") ? "music" : "mixture",
       audio.muted ? 0 : audio.volume]))]])
end

local function named(name)
  return ("button[aria-label='%s']"):format(name)
end

describe("the page #page", function()
  it("opens from its file without a complaint of the browser", function()
    open()
    chromium:click(card("alpha", ".play"))
    plays(0)
    assert.same({}, chromium:console())
  end)

  it("starts mixture and stems together, and hears the stems", function()
    open()
    chromium:click(card("alpha", ".play"))
    plays(1)
    assert.equal(3, #times())
    come_together()
    assert.same({ mixture = 0, voice = 1, music = 1 }, volumes())
    chromium:click(card("alpha", ".play"))
    is_silent()
  end)

  it("has the tracks within 20 ms after a minute and ten seeks", function()
    open()
    chromium:click(card("alpha", ".play"))
    for i = 1, 10 do
      local at = (i * 7) % 13
      chromium:run(([[
        const seek = document.querySelector("%s");
        seek.value = %d;
        seek.dispatchEvent(new Event("input", { bubbles: true }));]]):format(
        card("alpha", ".seek"), at))
      plays(at)
      plays(at + 5.5)
    end
    come_together()
  end)

  it("brings a track that is off back to the others", function()
    open()
    chromium:click(card("alpha", ".play"))
    plays(0.5)
    chromium:run([[document.querySelectorAll("audio")[2].currentTime += 0.1]])
    chromium:wait_for(("%s < %g"):format(APART_NOW, TOGETHER))
  end)

  it("loops all tracks together", function()
    open()
    chromium:click(card("alpha", ".loop"))
    chromium:click(card("alpha", ".play"))
    plays(0)
    chromium:type(card("alpha", ".seek"), "End")
    chromium:type(card("alpha", ".seek"), "Left")
    plays(0.3)
    come_together()
  end)

  it("solos, mutes and fades", function()
    open()
    chromium:click(card("alpha", ".play"))
    plays(0)
    chromium:click(card("alpha", named("Solo mixture")))
    assert.same({ mixture = 1, voice = 0, music = 0 }, volumes())
    chromium:click(card("alpha", named("Solo mixture")))
    chromium:click(card("alpha", named("Mute voice")))
    assert.same({ mixture = 0, voice = 0, music = 1 }, volumes())
    chromium:click(card("alpha", named("Mute voice")))
    local fader = card("alpha", ".fader input")
    chromium:type(fader, "Home")
    assert.same({ mixture = 0, voice = 1, music = 0 }, volumes())
    assert.equal("voice alone", chromium:run(("return document.querySelector("
      .. "\"%s\").getAttribute('aria-valuetext')"):format(fader)))
  end)

  it("is played by keys alone", function()
    open()
    chromium:run(([[document.querySelector("%s").focus()]]):format(
      card("alpha")))
    chromium:press(" ")
    plays(0)
    chromium:press("Right", "Right")
    plays(10)
    chromium:press("2", "l")
    assert.same({ mixture = 0, voice = 1, music = 0 }, volumes())
    assert.equal("true", chromium:run(("return document.querySelector(\"%s\")"
      .. ".getAttribute('aria-pressed')"):format(card("alpha", ".loop"))))
    chromium:press(" ")
    is_silent()
    chromium:press("n")
    assert.equal("beta", chromium:run(
      "return document.activeElement.querySelector('h2').textContent"))
  end)

  it("leaves a field its keys", function()
    open()
    chromium:type("#search", "n l 1")
    assert.equal("n l 1", chromium:run("return document.activeElement.value"))
    assert.equal(0, #times())
  end)

  it("goes where a picture is clicked", function()
    open()
    chromium:click(card("alpha", ".picture")) -- its middle
    chromium:click(card("alpha", ".play"))
    plays(9.5)
  end)

  it("plays one file at a time", function()
    open()
    chromium:click(card("alpha", ".play"))
    plays(0)
    chromium:click(card("beta", ".play"))
    chromium:wait_for([[(() => {
      const playing = [...document.querySelectorAll("audio")]
        .filter((audio) => !audio.paused).map((audio) => audio.src);
      return playing.length === 3 && playing.every((s) => s.includes("beta"));
    })()]])
  end)

  it("has errors first, and finds, filters and sorts", function()
    open()
    local function names()
      return chromium:run([[return [...document.querySelectorAll(".card h2")]
        .map((heading) => heading.textContent).join(" ")]])
    end
    local function choose(id, value)
      chromium:run(([[
        const element = document.getElementById("%s");
        element.value = "%s";
        element.dispatchEvent(new Event("input", { bubbles: true }));]])
        :format(id, value))
    end
    assert.equal("gamma alpha beta", names())
    choose("sort", "name")
    assert.equal("alpha beta gamma", names())
    choose("filter", "failed")
    assert.equal("gamma", names())
    choose("filter", "")
    chromium:type("#search", "TASK-beta")
    assert.equal("beta", names())
    assert.equal("1 of 3 files shown", chromium:run(
      "return document.getElementById('shown').textContent"))
  end)

  it("says which file has gone since, and plays the others", function()
    open()
    os.rename(folder .. "/beta.wav", folder .. "/beta.away")
    chromium:click(card("beta", ".play"))
    plays(0)
    assert.matches("missing, or cannot be played here",
      chromium:run(("return document.querySelector(\"%s\").innerText")
        :format(card("beta"))))
    os.rename(folder .. "/beta.away", folder .. "/beta.wav")
  end)

  it("says all of why there is no picture on a phone", function()
    workspace.run(("mkdir %s/odd; cd %s/odd; echo text > x.foreground.flac; "
      .. "echo text > x.background.flac"):format(folder, folder))
    workspace.run(("%s report %s/odd -o %s/odd.html"):format(CAMB, folder,
      folder))
    chromium:screen(280, 740)
    chromium:go("file://" .. folder .. "/odd.html")
    chromium:wait_for([[[...document.querySelectorAll(".nothing")].filter(
      (words) => !words.hidden && words.textContent.length > 60).length === 2]])
    assert.equal(0, chromium:run([[
      return [...document.querySelectorAll(".nothing")].filter((words) =>
        words.scrollHeight > words.parentNode.clientHeight).length]]))
  end)

  it("has no scroll bar at the bottom on a phone", function()
    open(360, 740)
    assert.is_true(chromium:run("return document.documentElement.scrollWidth "
      .. "<= document.documentElement.clientWidth"))
  end)
end)

describe("axe-core #page", function()
  local script

  setup(function()
    script = axe.script()
  end)

  for _, screen in ipairs({ { 1200, 900, "light" }, { 1200, 900, "dark" },
    { 390, 844, "light" }, { 390, 844, "dark" } }) do
    it(("finds nothing to mend at a width of %d in the %s"):format(screen[1],
      screen[3]), function()
      if not script then
        pending("npm could not fetch axe-core")
        return
      end
      open(luas.unpack(screen))
      assert.matches("^nothing, of %d%d", axe.run(chromium, script))
    end)
  end
end)

describe("a page of 300 files #page", function()
  local big

  setup(function()
    big = folder .. "/big"
    os.execute(("mkdir %s"):format(big))
    make("-f lavfi -i sine=d=0.5", folder .. "/short.flac")
    workspace.run(([[cd '%s' && for i in $(seq 300); do
      ln ../short.flac $i.foreground.flac
      ln ../short.flac $i.background.flac; done]]):format(big))
    local output, status = workspace.run(("%s report %s -o %s/r.html")
      :format(CAMB, big, big))
    assert(status == 0, output)
  end)

  it("opens within 2 s #timed", function()
    chromium:screen(1200, 900)
    chromium:go("file://" .. big .. "/r.html")
    local ms = chromium:await([[
      await new Promise((done) => requestAnimationFrame(() =>
        requestAnimationFrame(done)));
      return performance.getEntriesByType("navigation")[0].loadEventEnd;]])
    assert.equal(300, chromium:run(
      "return document.querySelectorAll('.card').length"))
    assert.is_true(ms < 2000, ms .. " ms")
  end)

  it("draws what is near the screen, and reads no audio until it plays",
    function()
      chromium:screen(1200, 900)
      chromium:go("file://" .. big .. "/r.html")
      local DRAWN = [[[...document.querySelectorAll(".card canvas")]
        .filter((canvas) => canvas.width > 0).length]]
      chromium:wait_for(DRAWN .. " > 0")
      assert.is_true(chromium:run("return " .. DRAWN) < 20)
      assert.equal(0, #times())
      chromium:run("window.scrollTo(0, document.body.scrollHeight)")
      chromium:wait_for([[document.querySelector(".card:last-child canvas")
        .width > 0]])
      chromium:wait_for(DRAWN .. " < 20")
    end)
end)
