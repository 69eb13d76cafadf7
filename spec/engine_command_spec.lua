-- A command in place of the built-in engine, behind the sandbox.

local audio = require "spec.support.audio"
local cjson = require "cjson"
local sandbox = require "camb.sandbox"
local sandboxed = require "spec.support.sandboxed"
local served = require "spec.support.served"
local workspace = require "spec.support.workspace"

local ROUNDING = 1
local SILENCE = "ffmpeg -v error -f lavfi -i anullsrc=r=%d:cl=%s -t %g %s"

local work, source

sandboxed.for_file(function(folder)
  work = folder
  source = folder .. "/mix.flac" -- 2 seconds, 16 bits, stereo
end)

--- A server whose engine is this shell script: $1 is the input, $2 the folder.
local function start(script, options)
  options = options or {}
  options.engine = "sh " .. workspace.write(work .. "/engine.sh", script)
  return sandboxed.start(options)
end

--- The task of one separation, and its status reply.
local function separate(server, path)
  local id = sandboxed.submit(server, "-F media_file=@" .. (path or source))
  local reply = sandboxed.finished(server, id)
  return server:task(id), reply
end

local function is_failed(server, message)
  local task, reply = separate(server)
  assert.equal("ERROR", reply.status)
  assert.equal("PROCESSING_ERROR", reply.exception_reason)
  assert.equal(message, reply.message)
  assert.is_nil(workspace.read(task.folder .. "/foreground.flac"))
  assert.is_nil(workspace.read(task.folder .. "/background.flac"))
  assert.equal("", (workspace.run("ls -d " .. task.folder .. "/stems 2>&1 "
    .. "| grep -v 'No such'")))
  return task
end

local function is_gone(pid)
  workspace.wait_for_end(pid)
end

--- What a script has written to `path` for us.
local function noted(path)
  return sandboxed.wait_for("a note in " .. path, function()
    local text = workspace.read(path)
    return text and text:match "^(.-)\n$"
  end)
end

describe("the shell script in examples", function()
  it("leaves two stems that sum to the recording, but for rounding", function()
    local server = sandboxed.start{ engine = "examples/engine.sh" }
    local path = audio.cut("examples/mix.flac", 3, 2, work .. "/cut.wav")
    local task, reply = separate(server, path)
    assert.equal("SUCCESS", reply.status, tostring(reply.message))
    local sounds = audio.decode{ path, task.foreground, task.background }
    local whole, shared, rest = sounds[1].samples, sounds[2].samples,
      sounds[3].samples
    assert.equal(#whole, #shared)
    assert.equal(#whole, #rest)
    for i = 1, #whole do
      assert.is_true(math.abs(shared[i] + rest[i] - whole[i]) <= ROUNDING)
    end
    assert.is_false(audio.is_silent(rest))
    assert.is_false(audio.is_same(shared, rest))
  end)
end)

describe("the words of a command", function()
  local show = [[printf '%s\n' "$@" > WORK/seen.new
    mv WORK/seen.new WORK/seen; exit 1]]

  local function seen(words, options)
    os.remove(work .. "/seen")
    options = options or {}
    workspace.write(work .. "/show.sh", (show:gsub("WORK", work)))
    options.engine = "sh " .. work .. "/show.sh " .. words
    local server = sandboxed.start(options)
    local task = separate(server)
    local text = workspace.read(work .. "/seen")
    local function plain(place, name)
      local from, to = text:find(place, 1, true)
      while from do
        text = text:sub(1, from - 1) .. name .. text:sub(to + 1)
        from, to = text:find(place, 1, true)
      end
    end
    plain(task.folder .. "/stems", "OUT")
    plain(task.folder .. "/input.flac", "IN")
    return text
  end

  it("end with input and folder where they name neither", function()
    assert.equal("IN\nOUT\n", seen "")
    assert.equal("-q\nIN\nOUT\n", seen "-q")
  end)

  it("have them where they name them, also within a word, also twice",
    function()
      assert.equal("-o\nOUT/x\n--in=IN\nIN\n",
        seen "-o {output_dir}/x --in={input} {input}")
    end)

  it("are split and unquoted as in a shell, and nothing else is done to them",
    function()
      assert.equal("a b\nc\"d\n$HOME `id` ;*\n\nx y\n\\n\nIN\nOUT\n",
        seen [['a b' "c\"d" '$HOME'" \`id\` ;*" '' x\ y "\n"]])
    end)

  it("take a folder of any name for one word", function()
    local odd = work .. "/odd {output_dir} $(touch x) '\"; exit 3;"
    assert.equal("IN\nOUT\n", seen("{input} {output_dir}",
      { data_dir = odd }))
    assert.is_nil(workspace.read "x")
  end)

  for command, problem in pairs{
    ["demucs {input}"] = "with both of {input} and {output_dir}, or with none",
    ["demucs -o {output_dir}"] = "with both of {input} and {output_dir}, or "
      .. "with none",
    ["demucs 'a"] = "whose quotes are closed",
    ['demucs "a\\"'] = "whose quotes are closed",
    ["demucs \\"] = "whose quotes are closed",
    ["  "] = "that names a program",
    ["'' x"] = "that names a program",
  } do
    it("are looked at before the server starts: " .. command, function()
      local ok, message = pcall(function()
        return (sandbox.start{ engine = command })
      end)
      assert.is_false(ok)
      assert.matches("engine_command_spec.lua:%d+: option 'engine' "
        .. "must be a command ", message)
      assert.matches(problem, message, 1, true)
    end)
  end
end)

describe("the stems that a command leaves", function()
  it("are taken as they are, in any format, in a folder below", function()
    local server = start('mkdir -p "$2/model/song"; cd "$2/model/song"\n'
      .. 'cp "$1" foreground.flac\n'
      .. 'ffmpeg -v error -i "$1" background.mp3 drums.wav')
    local task, reply = separate(server)
    assert.equal("SUCCESS", reply.status, tostring(reply.message))
    assert.is_true(workspace.read(source) == workspace.read(task.foreground))
    local urls = sandboxed.urls(server, reply.run_id)
    local http = sandboxed.http("'" .. urls.background_audio_url .. "'")
    assert.equal("audio/mpeg", http.headers["content-type"])
    assert.is_true(http.body == workspace.read(task.background))
    assert.equal(cjson.null, reply.message)
  end)

  for name, bytes in pairs{ ["nothing"] = "", ["text"] = "no audio" } do
    it("are refused when one is " .. name .. " that no one can play",
      function()
        workspace.write(work .. "/bad", bytes)
        is_failed(start('cp "$1" "$2/foreground.flac"\ncp ' .. work
          .. '/bad "$2/background.wav"'),
          "The engine's command left a background.wav that cannot be decoded.")
      end)
  end

  it("are refused when one is half a file", function()
    is_failed(start('cp "$1" "$2/foreground.flac"\n'
      .. 'head -c 60000 "$1" > "$2/background.flac"'),
      "The engine's command left a background.flac that is damaged or cut off.")
  end)

  it("are refused when one is shorter than the source", function()
    is_failed(start('cp "$1" "$2/foreground.flac"\n'
      .. 'ffmpeg -v error -i "$1" -t 1.25 "$2/background.wav"'),
      "The engine's command left a background.wav of 1.250 seconds for a "
      .. "source of 2.000 seconds.")
  end)

  for what, script in pairs{
    ["nothing"] = "true",
    ["one of them"] = 'cp "$1" "$2/foreground.flac"',
    ["a link"] = 'ln -s "$1" "$2/vocals.flac"',
    ["other names"] = 'cp "$1" "$2/foregrounds.flac"; cp "$1" "$2/x.flac"',
  } do
    it("are missed when it leaves " .. what, function()
      is_failed(start(script), "The engine's command left neither foreground "
        .. "and background nor vocals.")
    end)
  end
end)

describe("the vocals that a command leaves", function()
  --- From half of each sample of `path`: the stems, which must sum to it.
  local function halve(path, arguments, bits, script)
    local server = start('mkdir "$2/model"; '
      .. (script or 'ffmpeg -v error -i "$1" -af volume=0.5 %s '
      .. '"$2/model/vocals.wav"; : > "$2/drums.wav"'):format(arguments))
    local task, reply = separate(server, path)
    assert.equal("SUCCESS", reply.status, tostring(reply.message))
    assert.matches("/foreground.flac$", task.foreground)
    assert.matches("/background.flac$", task.background)
    local problem, mixture, foreground, background = audio.compare(path,
      task.foreground, task.background, bits)
    assert.is_nil(problem)
    return mixture.samples, foreground.samples, background.samples, reply
  end

  it("are the foreground, and the rest of the mixture the background",
    function()
      local mixture, foreground = halve(source, "-c:a pcm_s16le")
      for i = 1, #mixture do
        assert.is_true(math.abs(foreground[i] - mixture[i] / 2) <= 1)
      end
    end)

  for what, case in pairs{
    ["floats, to 16 bits"] = { "-c:a pcm_f32le", 16, "-c:a pcm_s16le" },
    ["16 bits, to 24"] = { "-c:a pcm_s16le", 24, "-c:a pcm_s24le" },
    ["44.1 kHz, to 48"] = { "-ar 44100", 16, "-ar 48000" },
    ["44.1 kHz, to 8"] = { "-ar 44100", 16, "-ar 8000" },
    ["stereo, to mono"] = { "-ac 2", 16, "-ac 1" },
    ["mono, to six channels"] = { "-ac 1", 16, "-ac 6" },
  } do
    it("are brought to the mixture's format: " .. what, function()
      local path = audio.make("-i " .. source .. " " .. case[3],
        work .. "/form.wav")
      local _, foreground, background = halve(path, case[1], case[2])
      assert.is_false(audio.is_silent(foreground))
      assert.is_false(audio.is_silent(background))
    end)
  end

  it("keep their place in time at another rate", function()
    local path = audio.make("-i " .. source .. " -ar 48000", work .. "/48.wav")
    local _, foreground, background = halve(path, "-ar 44100")
    local error_energy, energy = 0, 0
    for i = 1, #foreground do
      local difference = foreground[i] - background[i]
      error_energy = error_energy + difference * difference
      energy = energy + foreground[i] * foreground[i]
    end
    -- Noise above 22 kHz stays in the background.
    assert.is_true(error_energy < 0.1 * energy, error_energy / energy)
  end)

  it("do not clip the background when they are louder than the mixture",
    function()
      local path = audio.make("-f lavfi -i 'aevalsrc=0.99*sin(400*t)|0.9:d=1' "
        .. "-c:a pcm_s16le", work .. "/loud.wav")
      halve(path, "", 16, 'ffmpeg -v error -i "$1" -af volume=-1 '
        .. '"$2/model/vocals.wav"')
    end)

  it("say that the source was cut off", function()
    local path = workspace.write(work .. "/cut-off.flac",
      workspace.read(source):sub(1, 100000))
    local task, reply = separate(start('ffmpeg -v fatal -i "$1" '
      .. '"$2/vocals.wav"'), path)
    assert.equal("SUCCESS", reply.status, tostring(reply.message))
    assert.matches("^the source ends early", reply.message)
    assert.is_string(task.background)
  end)

  it("are refused where they are of other channels or length", function()
    is_failed(start(SILENCE:format(44100, "5.1", 2, '"$2/vocals.wav"')),
      "The engine's command left vocals that do not fit: they have 6 channels, "
      .. "the source 2")
    is_failed(start(SILENCE:format(44100, "stereo", 1.7, '"$2/vocals.wav"')),
      "The engine's command left vocals that do not fit: they last 1.700 "
      .. "seconds, the source 2.000")
  end)
end)

describe("a command that fails", function()
  for script, message in pairs{
    ["exit 3"] = "ended with status 3.",
    ["kill -9 $$"] = "was killed by signal 9.",
    ["echo no such model >&2; exit 1"] = "ended with status 1: no such model",
    ["echo one >&2; echo out; printf ' two\\n\\n' >&2; exit 2"] =
      "ended with status 2: one two",
    ["printf '1%%\\r2%%\\r\\033[31mred\\200\\302\\205\\303\\274\\n' >&2; exit 1"]
      = "ended with status 1: 1% 2% [31mred ü",
  } do
    it("tells how, and what it said: " .. script, function()
      is_failed(start(script), "The engine's command " .. message)
    end)
  end

  it("tells that there is no such program before anything is sent", function()
    for _, program in ipairs{ work .. "/nowhere", "no-such-program", "/tmp",
      "/etc/passwd" }
    do
      local server, err = sandbox.start{ engine = program
        .. " {input} {output_dir}" }
      assert.is_nil(server)
      assert.equal("file", err.kind)
      assert.equal(('the engine\'s program "%s" cannot be run'):format(program),
        err.message)
    end
  end)

  it("tells that its program is gone", function()
    local program = workspace.write(work .. "/gone", "#!/bin/sh\n")
    workspace.run("chmod +x " .. program)
    local server = sandboxed.start{ engine = program .. " {input} {output_dir}" }
    os.remove(program)
    is_failed(server,
      "The engine's command cannot be started: No such file or directory.")
  end)

  it("keeps what it printed in the task's folder", function()
    local task = is_failed(start("echo said; echo wrong >&2; exit 1"),
      "The engine's command ended with status 1: wrong")
    assert.equal("said\n", workspace.read(task.folder .. "/engine.log"))
    assert.equal("wrong\n", workspace.read(task.folder .. "/engine.err"))
  end)

  it("does not fill the disk by what it prints", function()
    local task, reply = separate(start([[
      for round in 1 2 3; do
        yes noise | head -c 3000000
        yes noise | head -c 3000000 >&2
        for log in engine.log engine.err; do
          until [ $(wc -c < "$(dirname "$1")/$log") -le 1048576 ]; do
            sleep 0.01
          done
        done
      done
      exit 1]]))
    assert.equal("ERROR", reply.status)
    assert.matches("^The engine's command ended with status 1: .*noise",
      reply.message)
    assert.is_true(#reply.message < 700, #reply.message)
    for _, name in ipairs{ "engine.log", "engine.err" } do
      local size = #workspace.read(task.folder .. "/" .. name)
      assert.is_true(size > 0 and size <= 2 ^ 20, name .. ": " .. size)
    end
  end)

  it("is killed with its children when its time is over", function()
    local server = start("sleep 1000 & echo $! $$ > " .. work .. "/late.new; mv "
      .. work .. "/late.new " .. work .. "/late; echo working >&2; wait",
      { engine_timeout = 2 })
    is_failed(server, "The engine's command took longer than 2 seconds: "
      .. "working")
    local child, parent = noted(work .. "/late"):match "(%d+) (%d+)"
    is_gone(child)
    is_gone(parent)
  end)

  it("leaves no child running when it ends by itself", function()
    is_failed(start("sleep 1000 & echo $! > " .. work .. "/left; exit 4"),
      "The engine's command ended with status 4.")
    is_gone(noted(work .. "/left"))
  end)

  it("is killed with its children when the server stops", function()
    local server = start("trap '' TERM INT; sleep 1000 & echo $! > " .. work
      .. "/started; wait", { data_dir = sandboxed.fresh "killed" })
    local id = sandboxed.submit(server)
    local child = noted(work .. "/started")
    server:stop()
    is_gone(child)
    assert.equal("PENDING", server:task(id).status)
  end)
end)

describe("what a command begins in a session of its own", function()
  -- Three that sleep for long: in a session, in one without our files, and
  -- without a parent; each notes its number first.
  local ESCAPE = [[
    run='echo $$ > "$0"; exec sleep 1000'
    setsid sh -c "$run" NAME1 &
    setsid sh -c "$run" NAME2 < /dev/null > /dev/null 2>&1 &
    setsid sh -c 'sh -c "$1" "$0" & exit' NAME3 "$run" &
    for i in 1 2 3; do until [ -s NAME$i ]; do sleep 0.01; done; done
  ]]

  local function escape(name, last)
    return ((ESCAPE .. last):gsub("NAME", work .. "/" .. name))
  end

  local function are_gone(name)
    for i = 1, 3 do
      is_gone(noted(work .. "/" .. name .. i))
    end
  end

  it("ends with a command that ends", function()
    is_failed(start(escape("end", "exit 4")),
      "The engine's command ended with status 4.")
    are_gone("end")
  end)

  it("ends with a command whose time is over", function()
    is_failed(start(escape("time", "exec sleep 1000"), { engine_timeout = 2 }),
      "The engine's command took longer than 2 seconds.")
    are_gone("time")
  end)

  it("ends with a server that is killed", function()
    workspace.write(work .. "/killed.sh", escape("kill", "exec sleep 1000"))
    local server = served.start(("--engine 'sh %s/killed.sh'"):format(work))
    sandboxed.submit(server)
    for i = 1, 3 do
      noted(work .. "/kill" .. i)
    end
    workspace.stop(server.pid, "KILL")
    are_gone("kill")
  end)
end)

describe("a source that is no audio", function()
  it("is refused before a command runs", function()
    local server = start("touch " .. work .. "/ran")
    local path = workspace.write(work .. "/text.wav", ("text "):rep(1000))
    local _, reply = separate(server, path)
    assert.equal("CONTENT_DOES_NOT_MATCH_EXTENSION", reply.exception_reason)
    assert.is_nil(workspace.read(work .. "/ran"))
  end)
end)

describe("the option --engine", function()
  local CAMB = (os.getenv "BUILD" or "build") .. "/bin/camb separate "

  it("chooses what `camb separate --sandbox` separates with", function()
    for engine, is_silent in pairs{ builtin = false,
      ["cp {input} {output_dir}/vocals.flac"] = true } do
      local output, status = workspace.run(CAMB .. ("%s --sandbox --engine '%s' "
        .. "-o %s/cli --overwrite"):format(source, engine, work))
      assert.equal(0, status, output)
      local rest = audio.decode{ work .. "/cli/mix.background.flac" }[1]
      assert.equal(is_silent, audio.is_silent(rest.samples))
    end
  end)

  it("says what is wrong with it", function()
    for words, problem in pairs{
      ["--engine builtin"] = "camb: --engine needs --sandbox: the service "
        .. "has its own engine",
      ["--sandbox --engine 'demucs {input}'"] = "camb: --engine must be a "
        .. "command with both of {input} and {output_dir}, or with none",
    } do
      local output, status = workspace.run(CAMB .. source .. " " .. words)
      assert.not_equal(0, status)
      assert.equal(problem, output:match("([^\n]*)\ncamb: to see what it takes, "
        .. "run: camb help separate\n$"))
    end
  end)

  it("tells of a command that failed", function()
    local output, status = workspace.run(CAMB .. source
      .. " --sandbox --engine false -o " .. work .. "/none")
    assert.equal(7, status)
    assert.matches("The engine's command ended with status 1", output)
  end)
end)
