--- Headless Chromium, driven over WebDriver by chromedriver: one page, clicks
--- and keys as a person makes them.

local cjson = require "cjson"
local workspace = require "spec.support.workspace"

local browser = {}

local FLAGS = { "--headless=new", "--no-sandbox", "--disable-gpu",
  "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
  "--mute-audio" }

-- What WebDriver calls the keys that write nothing: U+E004 and so on.
local KEYS = { Tab = "\238\128\132", Enter = "\238\128\135", Left = "\238\128\146",
  Right = "\238\128\148", Home = "\238\128\145", End = "\238\128\144" }

local Browser = {}
Browser.__index = Browser

--- Whether both programs are there.
function browser.is_there()
  return select(2, workspace.run(
    "command -v chromium && command -v chromedriver")) == 0
end

-- A command of WebDriver, and the value that it gives.
local function ask(self, method, path, body)
  local request = self.folder .. "/request.json"
  workspace.write(request, body and cjson.encode(body) or "{}")
  local text = workspace.run(("curl -sS -m 60 -X %s %s 'http://127.0.0.1:%d%s'")
    :format(method, method == "POST"
      and "-H 'Content-Type: application/json' --data-binary @" .. request or "",
      self.port, path))
  local ok, reply = pcall(cjson.decode, text)
  assert(ok, text)
  local value = reply.value
  if type(value) == "table" and value.error then
    error(("%s %s: %s"):format(method, path, value.message), 2)
  end
  return value
end

local function post(self, path, body)
  return ask(self, "POST", ("/session/%s/%s"):format(self.session, path), body)
end

--- Start both.
function browser.open()
  local folder = workspace.folder()
  local self = setmetatable({ folder = folder }, Browser)
  self.pid = workspace.run(("chromedriver --port=0 > %s/log 2>&1 & echo $!")
    :format(folder)):match("%d+")
  self.port = workspace.wait_for("chromedriver", function()
    return workspace.read(folder .. "/log"):match(
      "successfully on port (%d+)")
  end)
  local args = { "--user-data-dir=" .. folder .. "/profile" }
  for _, flag in ipairs(FLAGS) do
    args[#args + 1] = flag
  end
  self.session = ask(self, "POST", "/session", { capabilities = { alwaysMatch =
    { ["goog:chromeOptions"] = { args = args },
      ["goog:loggingPrefs"] = { browser = "ALL" } } } }).sessionId
  return self
end

--- End them, and remove what they wrote.
function Browser:close()
  pcall(ask, self, "DELETE", "/session/" .. self.session)
  workspace.stop(self.pid)
  workspace.remove(self.folder)
end

function Browser:go(url)
  post(self, "url", { url = url })
end

--- Show the page as on a screen of this size, in "light" or "dark".
function Browser:screen(width, height, scheme)
  post(self, "goog/cdp/execute", { cmd = "Emulation.setDeviceMetricsOverride",
    params = { width = width, height = height, deviceScaleFactor = 1,
      mobile = width < 600 } })
  post(self, "goog/cdp/execute", { cmd = "Emulation.setEmulatedMedia",
    params = { features = { { name = "prefers-color-scheme",
      value = scheme or "light" } } } })
end

-- lua-cjson takes a list without items for an object.
local function run(self, how, script)
  return post(self, "execute/" .. how, { script = script, args = { true } })
end

--- What the body of a function gives.
function Browser:run(script)
  return run(self, "sync", script)
end

--- What the body of an async function gives.
function Browser:await(script)
  local value = run(self, "async", ([[const done = arguments[1];
    (async () => { %s })().then(done, (e) => done({ raised: String(e) }));]])
    :format(script))
  if type(value) == "table" and value.raised then
    error(value.raised, 2)
  end
  return value
end

--- Wait until an expression is true; what it is.
function Browser:wait_for(expression, seconds)
  return workspace.wait_for(expression, function()
    local value = self:run("return " .. expression)
    return value ~= cjson.null and value
  end, seconds or 20)
end

local function find(self, selector)
  local found = post(self, "element", { using = "css selector",
    value = selector })
  return select(2, next(found))
end

--- Click the first element that `selector` finds, as a mouse does.
function Browser:click(selector)
  post(self, ("element/%s/click"):format(find(self, selector)),
    {})
end

--- Write text into an element, or press a key that has a name.
function Browser:type(selector, text)
  post(self, ("element/%s/value"):format(find(self, selector)),
    { text = KEYS[text] or text })
end

--- Drop a file on the first element that `selector` finds, as from a folder.
function Browser:drop(selector, path)
  local at = self:run(("const box = document.querySelector(%q)"
    .. ".getBoundingClientRect(); return [box.x + box.width / 2, "
    .. "box.y + box.height / 2]"):format(selector))
  for _, kind in ipairs({ "dragEnter", "dragOver", "drop" }) do
    post(self, "goog/cdp/execute", { cmd = "Input.dispatchDragEvent",
      params = { type = kind, x = at[1], y = at[2], data = {
        items = { { mimeType = "text/plain", data = "" } }, files = { path },
        dragOperationsMask = 1 } } })
  end
end

--- Press keys where the focus is.
function Browser:press(...)
  local actions = {}
  for _, key in ipairs({ ... }) do
    for _, kind in ipairs({ "keyDown", "keyUp" }) do
      actions[#actions + 1] = { type = kind, value = KEYS[key] or key }
    end
  end
  post(self, "actions", { actions = { { type = "key", id = "keys",
    actions = actions } } })
end

--- What the page has written to its console, errors and refusals among it.
function Browser:console()
  local lines = {}
  for _, entry in ipairs(post(self, "se/log", { type = "browser" })) do
    lines[#lines + 1] = entry.level .. ": " .. entry.message
  end
  return lines
end

--- Save what is to be seen as PNG.
function Browser:picture(path)
  local encoded = ask(self, "GET", ("/session/%s/screenshot"):format(
    self.session))
  workspace.write(self.folder .. "/picture", encoded)
  workspace.run(("base64 -d %s/picture > '%s'"):format(self.folder, path))
end

return browser
