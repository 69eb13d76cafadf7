-- Bytes that would end a header, a path or a form field before its end, or that
-- a terminal obeys, are refused in every option and argument, whichever options
-- there are: they are found in the schemas.

local camb = require "camb"
local check = require "camb.check"
local options = require "camb.options"
local sandbox = require "camb.sandbox"
local sandbox_options = require "camb.sandbox.options"
local shell = require "spec.support.command"
local stage = require "spec.support.stage"
local workspace = require "spec.support.workspace"

local MIX = "spec/fixtures/mix.flac"
local CONTROLS = { "\r", "\n", "\r\nX-Evil: 1", "\0", "\27[2J", "\127", "\1" }

-- Notes may have lines, and audio is made of any bytes.
local LINES = { project_description = true }
local ANY = { data = true, source = true }

describe("control characters", function()
  local server, client

  setup(function()
    server = assert(sandbox.start({ processing = math.huge }))
    client = stage.client(server)
  end)

  teardown(function()
    client:close()
    server:stop()
  end)

  after_each(function()
    assert.equal(0, #server:requests())
  end)

  -- The error must blame the line of this file that makes the call.
  local function refuses(name, call, ...)
    local ok, problem = pcall(call, ...)
    assert.is_false(ok, name .. " was taken")
    assert.matches("control_spec.lua:%d+: ", tostring(problem))
    assert.is_truthy(tostring(problem):find(name, 1, true), tostring(problem))
    assert.is_nil(tostring(problem):gsub("^.-:%d+: ", ""):find("%c"))
  end

  local function with(name, value, more)
    local given = { [name] = value }
    for key, item in pairs(more or {}) do
      given[key] = given[key] or item
    end
    return given
  end

  -- Who takes which schema; each call names its options' place, this file.
  local calls = {
    client = function(given)
      camb.client(with("api_key", given.api_key or "k", given))
    end,
    separate = function(given)
      client:separate(MIX, given)
    end,
    submit = function(given)
      client:submit(MIX, given)
    end,
    download = function(given)
      client:download(1001, given)
    end,
    result = function(given)
      client:result(1001, given)
    end,
    results = function(given)
      client:results({ 1001 }, given)
    end,
    status = function(given)
      client:task("t"):status(given)
    end,
    wait = function(given)
      client:task("t"):wait(given)
    end,
    source = function(given)
      client:submit(with("data", given.path == nil and "x" or nil, given))
    end,
  }
  for _, name in ipairs(options.CALLS) do
    if name:find("audio_separation", 1, true) then
      calls[name] = function(given)
        given = with("media_file", given.media_file or MIX, given)
        if not options.of(name).media_file then
          given.media_file = nil
        end
        client.audio_separation[name](client.audio_separation, given)
      end
    end
  end

  local function takes_strings(rule)
    return not rule.renamed and (rule.type == nil or rule.type == "string")
  end

  for _, title in ipairs(options.CALLS) do
    it("are refused in every option of " .. title, function()
      local rules = options.of(title)
      local call = calls[title] or function(given)
        check.options(given, rules, 1)
      end
      for name, rule in pairs(rules) do
        for _, control in ipairs(takes_strings(rule) and CONTROLS or {}) do
          if not ANY[name]
            and not (LINES[name] and control:find("^[\r\n]")) then
            refuses(name == "media_file" and "source" or name, call,
              { [name] = "a" .. control .. "b" })
          end
        end
      end
    end)
  end

  it("are refused in the options of camb.separate", function()
    for name, rule in pairs(options.of("one_call")) do
      if takes_strings(rule) then
        refuses(name, function()
          camb.separate(MIX, { [name] = "a\0b" })
        end)
      end
    end
  end)

  it("are refused in headers, names and values", function()
    for _, control in ipairs(CONTROLS) do
      refuses("headers.X-Team", function()
        camb.client({ api_key = "k", headers = { ["X-Team"] = "a" .. control } })
      end)
      refuses("is not a valid header name", function()
        camb.client({ api_key = "k", headers = { ["X" .. control] = "a" } })
      end)
    end
  end)

  it("are refused in sources, ids and URLs", function()
    for _, control in ipairs(CONTROLS) do
      local bad = "http://127.0.0.1:9/a" .. control .. "b"
      refuses("source", function()
        client:submit("mix" .. control .. ".wav")
      end)
      refuses("source", function()
        client:separate(bad)
      end)
      refuses("task_id", function()
        client:task("t" .. control)
      end)
      refuses("task_id", function()
        client:download({ id = 7, task_id = "t" .. control })
      end)
      refuses("run id", function()
        client:result("1" .. control)
      end)
      refuses("run id", function()
        client:results({ "1" .. control })
      end)
      refuses("foreground_audio_url", function()
        client:download({ foreground_audio_url = bad,
          background_audio_url = bad })
      end)
    end
  end)

  it("are lines in a description, and nowhere else", function()
    local text = "one\ntwo\r\n\tthree"
    assert.is_nil(options.of("submit").project_description.check(text))
  end)

  it("are refused in every option of sandbox.start", function()
    local count = 0
    for _, option in ipairs(sandbox_options.START) do
      local name = option.name
      for _, control in ipairs(option.rule.of:find("string") and CONTROLS
        or {}) do
        count = count + 1
        refuses(name, function()
          sandbox.start({ [name] = "/a" .. control .. "b" })
        end)
      end
    end
    assert.is_true(count >= 6 * #CONTROLS)
  end)

  it("are refused in every option of a fault but its bytes", function()
    local free = { body = true, raw = true, reply = true }
    for name, rule in pairs(check.schema(sandbox_options.FAULT)) do
      for _, control in ipairs({ "\r", "\n", "\0" }) do
        if takes_strings(rule) and not free[name] then
          refuses(name, function()
            server:fault({ step = name ~= "step" and "status" or nil,
              [name] = "a" .. control .. "b" })
          end)
        end
      end
    end
    refuses("headers", function()
      server:fault({ step = "status", headers = { X = "a\nb" } })
    end)
  end)

  it("are refused in every option of the commands", function()
    local command = ("%s/bin/camb"):format(os.getenv("BUILD") or "build")
    local own = workspace.folder()
    local run = shell.runner(own, server)
    for _, action in ipairs({ "separate", "batch" }) do
      local help = workspace.run(("%s %s --help"):format(command, action))
      local count = 0
      for name in help:gmatch("%-%-([%w-]+) %u+") do
        local text, status = run("camb %s nowhere.wav --%s "
          .. "\"$(printf 'a\\nb')\"", action, name)
        count = count + 1
        assert.not_equal(0, status, name)
        if name ~= "project-description" then
          assert.is_truthy(text:gsub("_", "-"):find(name, 1, true)
            or text:find("is not a"), name .. ": " .. text)
        end
      end
      assert.is_true(count >= 8, help)
    end
    workspace.write(own .. "/a\nb.wav", "")
    local text = run("camb separate \"$(printf 'a\\nb.wav')\"")
    workspace.remove(own)
    assert.matches("a\\x0ab.wav. contains a control character", text)
  end)
end)
