-- Programs that are not ours run the tutorial's flow against the sandbox: curl,
-- and the official TypeScript SDK, which npm brings into build/peers.

local audio = require "spec.support.audio"
local cjson = require "cjson"
local sandbox = require "camb.sandbox"
local workspace = require "spec.support.workspace"

local SOURCES = "spec/support/peers"
local INSTALLED = "build/peers"

-- Made aside and moved when whole, so that a broken install is never cached.
local INSTALL = ([[
  set -e; mkdir -p build; new=$(mktemp -d build/peers.XXXXXX)
  cp %s/package.json $new
  (cd $new && timeout 120 npm install --ignore-scripts --no-audit --no-fund \
    --no-package-lock --prefer-offline --fetch-retries=1 --loglevel=error) \
    || { rm -rf $new; exit 1; }
  rm -rf %s; mv $new %s
]]):format(SOURCES, INSTALLED, INSTALLED)

local function succeeds(command)
  local _, status = workspace.run(command)
  return status == 0
end

--- Why the SDK cannot be had; nil when it is there.
local function sdk_problem()
  if not succeeds "command -v node && command -v npm" then
    return "npm is missing"
  end
  local is_cached = succeeds(("cmp %s/package.json %s/package.json")
    :format(SOURCES, INSTALLED))
  if not is_cached and not succeeds("(" .. INSTALL .. ")") then
    return "npm could not fetch the SDK"
  end
  assert(succeeds(("cp %s/separate.js %s"):format(SOURCES, INSTALLED)))
end

local PEERS = {
  { name = "curl", command = "sh " .. SOURCES .. "/separate.sh" },
  { name = "the TypeScript SDK", command = "node " .. INSTALLED
    .. "/separate.js", problem = sdk_problem },
}

--- Run the flow: what each step was answered, by its name.
local function run(peer, server, source, folder)
  local output, status = workspace.run(("timeout 120 %s '%s' '%s' '%s' '%s'")
    :format(peer.command, server.base_url, server.api_key, source, folder))
  assert(status == 0, output)
  local replies = {}
  for line in output:gmatch "[^\n]+" do
    local said = cjson.decode(line)
    replies[said.step] = said.reply
  end
  return replies
end

for _, peer in ipairs(PEERS) do
  describe(peer.name, function()
    local server, folder, source, missing, replies

    setup(function()
      missing = peer.problem and peer.problem()
      folder = workspace.folder()
      if missing then return end
      source = audio.cut("examples/mix.flac", 6, 3, folder .. "/mix.wav")
      server = assert(sandbox.start())
      replies = run(peer, server, source, folder)
    end)

    teardown(function()
      if server then server:stop() end
      workspace.remove(folder)
    end)

    --- The requests that came to one listener, and to one path if it is given.
    local function requests(listener, path)
      local found = {}
      for _, request in ipairs(server:requests()) do
        if request.listener == listener
          and (not path or request.path == "/apis" .. path) then
          found[#found + 1] = request
        end
      end
      return found
    end

    local function it_can(title, test)
      it(title, function()
        if missing then pending(missing) end
        test()
      end)
    end

    it_can("sends the file once, whole and with its fields", function()
      local sent = requests("api", "/audio-separation")
      assert.equal(1, #sent)
      assert.equal("media_file", sent[1].file.field)
      assert.equal("mix.wav", sent[1].file.name)
      assert.equal(workspace.run("sha256sum < '" .. source .. "'"):match "%x+",
        sent[1].file.sha256)
      assert.same({ project_name = "my-separation-job", folder_id = "7",
        project_description = "Größe & ‘quotes’" }, sent[1].fields)
    end)

    it_can("polls the task that it was given until SUCCESS", function()
      local polls = requests("api", "/audio-separation/"
        .. replies.create.task_id)
      assert.is_true(#polls >= 1)
      assert.equal("SUCCESS", replies.status.status)
      assert.equal(cjson.null, replies.status.exception_reason)
      assert.equal(0, replies.status.run_id % 1)
    end)

    it_can("gets the same stems for a run alone and for many", function()
      local run_id = ("%d"):format(replies.status.run_id)
      local function place(url)
        return (url:gsub("%?.*", ""))
      end
      local alone, among = replies.result, replies.results[run_id]
      assert.equal(run_id, next(replies.results))
      assert.is_nil(next(replies.results, run_id))
      for _, stem in ipairs{ "foreground", "background" } do
        assert.equal(place(alone[stem .. "_audio_url"]),
          place(among[stem .. "_audio_url"]))
      end
    end)

    it_can("ends in two stems that are whole and not the same", function()
      local problem, _, foreground, background = audio.compare(source,
        folder .. "/foreground.flac", folder .. "/background.flac")
      assert.is_nil(problem)
      assert.is_false(audio.is_same(foreground.samples, background.samples))
    end)

    it_can("needs no key for the stems, and the key for all else", function()
      local stems = requests "stem"
      assert.equal(2, #stems)
      for _, request in ipairs(stems) do
        assert.equal(200, request.status)
        assert.is_nil(request.headers["x-api-key"])
      end
      for _, request in ipairs(requests "api") do
        assert.equal(200, request.status)
        assert.equal(server.api_key, request.headers["x-api-key"])
      end
    end)
  end)
end
