-- A host may have set any locale, before it loads camb or after: one with a
-- decimal comma, one where the small letter of I is no i, one of a single byte
-- for each letter.

local postgres = require "spec.support.postgres"
local sandbox = require "camb.sandbox"
local workspace = require "spec.support.workspace"

local LUA = os.getenv("LUA") or "lua5.4"
local LOCALES = { "de_DE.UTF-8", "tr_TR.UTF-8", "tr_TR.ISO-8859-9" }

local HOST = [[
  local locale, is_late, base_url, folder, store = arg[1], arg[2] == "late",
    arg[3], arg[4], arg[5]
  local function set()
    assert(os.setlocale(locale), "no locale " .. locale)
  end
  if not is_late then
    set()
  end
  local camb = require "camb"
  local client = camb.client{ base_url = base_url, api_key = "sandbox",
    headers = { ["X-TEAM"] = "i" } }
  if is_late then
    set()
  end
  print(pcall(camb.client, { api_key = "k", headers = { ["X-API-KEY"] = "k" } }))
  local _, err = client:task("odd"):wait{ interval = 0.05, max_attempts = 2 }
  print(err)
  local function all()
    for item in client:batch({ "spec/fixtures/mix.flac" }, { store = store,
      output_dir = folder, interval = 0.05, max_attempts = 400, deadline = 20.5,
      store_timeout = 2.5, name = "ÀĞİ" }) do
      print("item", item.stems and "ok", item.skipped, item.error)
    end
  end
  all()
  if store then
    all()
  end
]]

describe("a locale", function()
  local folder, server, database

  setup(function()
    folder = workspace.folder()
    workspace.run("mkdir " .. folder .. "/locales")
    for _, name in ipairs(LOCALES) do
      local language, letters = name:match("^([^.]+)%.(.+)$")
      local text, status = workspace.run(("localedef -i %s -f %s %s/locales/%s")
        :format(language, letters, folder, name))
      assert(status <= 1, text) -- 1: with warnings
    end
    workspace.write(folder .. "/host.lua", (HOST:gsub(', name = "[^"]*"', "")))
    server = assert(sandbox.start({ api_key = "sandbox" }))
    database = postgres.start()
  end)

  teardown(function()
    server:stop()
    if database then
      database:remove()
    end
    workspace.remove(folder)
  end)

  local function run(locale, when, store)
    server:clear_faults()
    server:fault({ step = "status", path = server.base_url:match("/[^/]*$")
      .. "/audio-separation/odd", times = 9,
      body = '{"status":"finished","progress":0.5}' })
    server:fault({ step = "status", times = 2, body =
      '{"status":"pending","run_id":null,"progress":0.5}' })
    server:fault({ step = "result", status = 503, headers = {
      ["RETRY-AFTER"] = "0" } })
    return (workspace.run(("LOCPATH=%s/locales timeout 60 %s %s/host.lua "
      .. "%s %s %s %s %s"):format(folder, LUA, folder, locale, when,
      server.base_url, os.tmpname() .. ".d", store)))
  end

  for _, locale in ipairs(LOCALES) do
    for _, when in ipairs({ "early", "late" }) do
      it(("%s, set %s, changes nothing"):format(locale, when), function()
        local stores = { ["in memory"] = "",
          ["in SQLite"] = ("%s/%s-%s.db"):format(folder, locale, when),
          ["in PostgreSQL"] = database and ("'%s'"):format(database:create()) }
        for place, store in pairs(stores) do
          local text = run(locale, when, store)
          assert.matches("pass the key as api_key", text)
          assert.matches('protocol: the task has the status "finished"', text)
          assert.is_truthy(text:find("item\tok\tnil\tnil\n", 1, true),
            place .. ": " .. text)
          if store ~= "" then
            assert.is_truthy(text:find("item\tok\ttrue\tnil\n", 1, true),
              place .. ": " .. text)
          end
        end
      end)
    end
  end
end)
