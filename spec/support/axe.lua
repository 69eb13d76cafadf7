--- axe-core, which finds what a page lacks for people who do not see it, or use
--- no mouse.

local workspace = require "spec.support.workspace"

local axe = {}

local SOURCES = "spec/support/page"
local SCRIPT = "build/page/node_modules/axe-core/axe.min.js"

--- Its script, fetched by npm where it is not there; nil if that fails.
---@return string?
function axe.script()
  local _, status = workspace.run(([[set -e
    cmp -s %s/package.json build/page/package.json || {
      mkdir -p build; new=$(mktemp -d build/page.XXXXXX)
      cp %s/package.json $new
      (cd $new && timeout 120 npm install --ignore-scripts --no-audit \
        --no-fund --no-package-lock --prefer-offline --fetch-retries=1 \
        --loglevel=error) || { rm -rf $new; exit 1; }
      rm -rf build/page; mv $new build/page; }]]):format(SOURCES, SOURCES))
  return status == 0 and workspace.read(SCRIPT) or nil
end

--- What it finds on the page that is open, with all details shown: "nothing, of"
--- and the number of its rules, or a line for each fault.
---@param chromium table
---@param script string
---@return string
function axe.run(chromium, script)
  chromium:run([[for (const details of document.querySelectorAll("details"))
    details.open = true;]])
  chromium:run(script)
  return chromium:await([[
    const result = await axe.run();
    return result.violations.map((v) => v.id + ": " + v.nodes[0].html)
      .join("\n") || "nothing, of " + result.passes.length;]])
end

return axe
