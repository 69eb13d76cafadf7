-- The picture of the page in the README: `make picture` makes it again.

package.path = "./?.lua;" .. package.path

local browser = require "spec.support.browser"
local workspace = require "spec.support.workspace"

local page, target = arg[1], arg[2]
local WIDTH, SECONDS = 1100, 9.3

local chromium = browser.open()
local whole = os.tmpname()
local ok, problem = pcall(function()
  chromium:screen(WIDTH, 800)
  chromium:go("file://" .. page)
  chromium:wait_for("document.querySelector('canvas').width > 0")
  chromium:run(([[
    document.querySelector("footer").hidden = true;
    document.documentElement.style.overflow = "hidden";
    const seek = document.querySelector(".seek");
    seek.value = %g;
    seek.dispatchEvent(new Event("input", { bubbles: true }));]]):format(
    SECONDS))
  local height = chromium:run(
    "return Math.ceil(document.querySelector('main').getBoundingClientRect()"
    .. ".bottom) + 16")
  chromium:screen(WIDTH, height)
  chromium:wait_for(("innerHeight === %d"):format(height))
  chromium:picture(whole)
end)
chromium:close()
assert(ok, problem)
-- 128 colours keep it small
local output, status = workspace.run(("ffmpeg -v error -y -f png_pipe -i %s "
  .. "-vf 'split[a][b];[a]palettegen=max_colors=128:stats_mode=single[p];"
  .. "[b][p]paletteuse=dither=none' -frames:v 1 %s && rm %s"):format(whole,
  target, whole))
assert(status == 0, output)
