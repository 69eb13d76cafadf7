-- `camb jobs`: the jobs of a store.

local command = require "spec.support.command"
local store = require "camb.store"
local workspace = require "spec.support.workspace"

describe("camb jobs", function()
  local server, folder, run

  command.for_each(3, nil, function(...)
    server, folder, run = ...
  end)

  local function batch(words)
    return run("timeout 60 camb batch in -o out --store out/.camb.db "
      .. "--interval 0.1 -j 1 " .. (words or ""))
  end

  -- Three jobs, one of each end: downloaded, failed, unknown; and the id of the
  -- last one's task, which only the service knows.
  local function make_three()
    run("mkdir out; mv in/take002.wav in/take003.wav .")
    assert.equal(0, select(2, batch()))
    server:fault({ step = "submit", at = "accepted", close = true })
    run("mv take003.wav in")
    batch()
    run("mv take002.wav in")
    server:fault({ step = "submit", status = 422 })
    batch()
    local known = run("timeout 60 camb jobs -o out --state downloaded")
    for id in run("cat %s/tasks/*/task.json", server.data_dir):gmatch(
      '"task_id": ?"([^"]+)"') do
      if not known:find(id, 1, true) then
        return id
      end
    end
  end

  it("lists them with what became of them, and what helps", function()
    assert(make_three())
    local output, status = run("camb jobs -o out 2>words")
    assert.equal(0, status)
    assert.matches("^1       downloaded      [^\n]+/in/take001.wav  task %S+\n"
      .. "2       unknown_outcome [^\n]+/in/take003.wav  unknown_outcome: [^\n]+\n"
      .. "3       failed          [^\n]+/in/take002.wav  validation: "
      .. "[^\n]+\n$", output)
    local words = workspace.read(folder .. "/words")
    assert.matches("run: camb batch %-%-store /%S+/out/.camb.db %-%-retry%-failed\n",
      words)
    assert.matches("run: camb jobs %-%-store %S+ %-%-task TASK 2\n", words)
    assert.equal(select(3, output:find("(2       [^\n]+\n)")),
      (run("camb jobs --store out/.camb.db --state unknown_outcome "
      .. "2>/dev/null")))
    assert.equal(select(3, output:find("(3       [^\n]+\n)")),
      (run("camb jobs -o out in/take002.wav 2>/dev/null")))
  end)

  it("lists them in columns, whatever their numbers", function()
    run("mkdir out")
    batch("--add-only")
    local jobs = require("DBI").Connect("SQLite3", folder .. "/out/.camb.db")
    jobs:autocommit(true)
    local change = jobs:prepare("UPDATE camb_jobs SET id = ? WHERE id = ?")
    for i, number in ipairs({ 12345, 234567, 3456789 }) do
      change:execute(number, i)
    end
    change:close()
    jobs:close()
    assert.matches("^12345   intended        /%S+\n"
      .. "234567  intended        /%S+\n3456789 intended        /%S+\n$",
      (run("camb jobs -o out")))
  end)

  it("writes JSON and CSV for programs", function()
    assert(make_three())
    local object = run("camb jobs -o out --json 1")
    assert.matches('^{"id":1,"state":"downloaded","source":"/[^"]+/take001.wav"'
      .. ',"name":"take001","output_dir":"[^"]+","task_id":"[^"]+",'
      .. '"run_id":"%d+","sha256":"%x+","foreground":"[^"]+",'
      .. '"foreground_sha256":"%x+","background":"[^"]+",'
      .. '"background_sha256":"%x+","attempts":%d+,"updated":[%d.]+}\n$',
      object)
    local rows = run("camb jobs -o out --csv")
    assert.matches("^id,state,source,name,output_dir,task_id,run_id,sha256,"
      .. "foreground,foreground_sha256,background,background_sha256,attempts,"
      .. "error_kind,error,updated\r\n1,downloaded,/%S+\r\n"
      .. "2,unknown_outcome,[^\n]+\r\n3,failed,[^\n]+\r\n$", rows)
    assert.equal(2, select(2, run("camb jobs -o out --csv --json")))
  end)

  it("tells in JSON and CSV which file it is, also of a name that is not UTF-8 "
    .. "#posix",
    function()
      run("mkdir odd; cp in/take001.wav odd/a$(printf '\\351').wav")
      for line, words in pairs({
        ["camb submit odd/* -o sent --json"] = '{"source":"odd/a\\u005cxe9.wav"',
        ["camb batch odd -o told --interval 0.05 --on-done 'cat >hook.txt' "
          .. ">told.txt; cat hook.txt"] =
          '{"source":"odd/a\\u005cxe9.wav".*/a\\u005cxe9.foreground.wav"',
        ["camb batch odd -o seen --interval 0.05 >seen.txt; camb jobs -o seen "
          .. "--json"] = '"source":"[^"]*/odd/a\\u005cxe9.wav"',
        ["camb batch odd -o list --interval 0.05 >seen.txt; camb jobs -o list "
          .. "--csv"] = ',/[^,]*/odd/a\\xe9.wav,a\\xe9,' })
      do
        local said, status = run(line .. " 2>words")
        assert.equal(0, status, said)
        assert.matches(words, said)
      end
    end)

  it("gives a job the task that the dashboard shows, and nothing is paid again",
    function()
      local id = assert(make_three())
      local uploads = server:stats().uploads
      local output, status = run("camb jobs -o out --task %s 2", id)
      assert.equal(0, status, output)
      local line = output:match("to continue the batch, run: (camb [^\n]+)\n")
      output, status = run("timeout 60 %s --interval 0.1", line)
      assert.matches("take003.foreground.wav\n", output)
      assert.equal(10, status) -- one that failed is left
      assert.equal(uploads, server:stats().uploads)
      assert.matches("^2 +downloaded  ", (run("camb jobs -o out 2")))
    end)

  it("takes the line that a batch says of a job of unknown outcome", function()
    run("mkdir out")
    server:fault({ step = "submit", at = "accepted", close = true, times = 2 })
    local said = run("cd in; timeout 60 camb batch take001.wav take002.wav -j 1 "
      .. "-o ../out")
    local lines = {}
    for line in said:gmatch("dashboard shows its task, run: ([^\n]+)\n") do
      lines[#lines + 1] = line
    end
    assert.equal(2, #lines, said)
    for i, line in ipairs(lines) do
      local output, status = run("cd in; " .. line:gsub("TASK", "id-" .. i))
      assert.equal(0, status, output)
      assert.matches(("^%d +submitted  .*/in/take00%d.wav  task id%%-%d\n")
        :format(i, i, i), (run("camb jobs -o out %d 2>/dev/null", i)))
    end
  end)

  -- A job that was given a task that there is not: what the batch says of it.
  local function make_lost()
    local id = assert(make_three())
    run("camb jobs -o out --forget 3")
    assert.equal(0, select(2, run("camb jobs -o out --task wrong 2")))
    local uploads = server:stats().uploads
    local said, status = run("timeout 60 camb batch in/take003.wav -o out "
      .. "--interval 0.05")
    assert.equal(7, status, said)
    assert.matches('(task "wrong") (HTTP 404', said, 1, true)
    local retried = run("timeout 60 camb batch in/take003.wav -o out "
      .. "--interval 0.05 --retry-failed")
    assert.equal(uploads, server:stats().uploads)
    for _, words in ipairs({ said, retried, (run("camb jobs -o out 2")) }) do
      assert.matches("as another task, run: camb jobs --store out/.camb.db "
        .. "--task TASK 2\n", words, 1, true)
      assert.matches("send the file again (may be charged twice), run the batch "
        .. "after: camb jobs --store out/.camb.db --forget 2\n", words, 1, true)
    end
    return id, uploads
  end

  it("gives another task to a job whose task the service does not know",
    function()
      local id, uploads = make_lost()
      run("camb jobs --store out/.camb.db --task %s 2", id)
      local output = run("timeout 60 camb batch in/take003.wav -o out "
        .. "--interval 0.05")
      assert.matches("take003.foreground.wav\n", output)
      assert.equal(uploads, server:stats().uploads)
    end)

  it("forgets a job whose task the service does not know, to send it again",
    function()
      local _, uploads = make_lost()
      run("camb jobs --store out/.camb.db --forget 2")
      local output = run("timeout 60 camb batch in/take003.wav -o out "
        .. "--interval 0.05")
      assert.matches("take003.foreground.wav\n", output)
      assert.equal(uploads + 1, server:stats().uploads)
    end)

  it("takes a task whose id begins with a dash", function()
    make_three()
    local output, status = run("camb jobs -o out --task -3x_ 2")
    assert.equal(0, status, output)
    assert.matches("task -3x_\n", (run("camb jobs -o out 2")), 1, true)
  end)

  it("gives a job another task than the mistyped one that it has", function()
    local id = assert(make_three())
    local uploads = server:stats().uploads
    run("camb jobs -o out --task mistyped 2")
    local output, status = run("camb jobs -o out --task %s 2", id)
    assert.equal(0, status, output)
    assert.matches("job 2: its task was mistyped\n", output)
    output = run("timeout 60 camb batch --store out/.camb.db --interval 0.1")
    assert.matches("take003.foreground.wav\n", output)
    assert.equal(uploads, server:stats().uploads)
  end)

  it("gives another task to a job whose stems are yet to be downloaded",
    function()
      local id = assert(make_three())
      server:fault({ step = "stem", status = 403, times = math.huge })
      run("camb jobs -o out --task %s 2", id)
      command.begin(run, "camb batch in/take003.wav -o out --interval 0.05 "
        .. ">words 2>&1")
      workspace.wait_for("its run", function()
        return run("camb jobs -o out 2"):find("finished", 1, true)
      end)
      local output, status = run("camb jobs -o out --task right 2")
      assert.equal(2, status, output) -- the batch has it
      command.stop("KILL")
      output, status = run("camb jobs -o out --task right 2")
      assert.equal(0, status, output)
      assert.matches("^2 +submitted [^\n]+task right\n",
        (run("camb jobs -o out 2 2>&1")))
    end)

  it("gives no task to jobs that are done, or to several", function()
    make_three()
    local output, status = run("camb jobs -o out --task x 1")
    assert.equal(2, status)
    assert.matches("job 1 is downloaded, or a batch is using it: it cannot "
      .. "take another task\n", output)
    for _, words in ipairs({ "", "2 3" }) do
      output, status = run("camb jobs -o out --task x %s", words)
      assert.equal(2, status)
      assert.matches("--task needs exactly one job", output, 1, true)
    end
  end)

  it("gives no job the task of another recording, archived or not", function()
    make_three()
    local task = assert((run("camb jobs -o out --json 1")):match(
      '"task_id":"([^"]+)"'))
    for _, place in ipairs({ "", " in the archive" }) do
      local output, status = run("camb jobs -o out --task %s 2", task)
      assert.equal(1, status, output)
      assert.matches(('camb: task "%s" is that of job 1%s, "%s/in/take001.wav"')
        :format(task, place, folder), output, 1, true)
      assert.matches("^2 +unknown_outcome ", (run("camb jobs -o out 2")))
      run("camb jobs -o out --archive 0")
    end
  end)

  it("gives a job the task of another one of the same content", function()
    make_three()
    run("cp in/take003.wav in/copy.wav")
    run("camb jobs -o out --task shared 2")
    run("timeout 60 camb batch in/copy.wav -o out --interval 0.05")
    local output, status = run("camb jobs -o out --task shared 4")
    assert.equal(0, status, output)
  end)

  it("gives the task of a doubt to its copies, which were never sent", function()
    run("mkdir twice; cp in/take001.wav twice/a.wav; "
      .. "cp in/take001.wav twice/b.wav")
    server:fault({ step = "submit", at = "accepted", close = true })
    local said = run("timeout 60 camb batch twice -o out -j 1")
    local id = run("cat %s/tasks/*/task.json", server.data_dir)
      :match('"task_id": ?"([^"]+)"')
    local lines = 0
    for line in said:gmatch("dashboard shows its task, run: ([^\n]+)\n") do
      local output, status = run((line:gsub("TASK", id)))
      assert.equal(0, status, output)
      lines = lines + 1
    end
    assert.equal(2, lines, said)
    local output, status = run("timeout 60 camb batch twice -o out "
      .. "--interval 0.05")
    assert.equal(0, status, output)
    assert.equal(1, server:stats().uploads)
  end)

  it("retries the job that is named, or all that failed, and no other",
    function()
      make_three()
      local output, status = run("camb jobs -o out --retry 1 3")
      assert.equal(2, status)
      assert.matches("job 1 is downloaded: only failed jobs are retried\n",
        output)
      assert.matches("1 job will be retried by the next batch\n", output)
      assert.matches("^3 +intended  ", (run("camb jobs -o out 3")))
      local uploads = server:stats().uploads
      output = run("timeout 60 camb batch --store out/.camb.db")
      assert.matches("take002.foreground.wav\n", output)
      assert.equal(uploads + 1, server:stats().uploads)
      output = run("camb jobs -o out --retry")
      assert.matches("0 jobs will be retried", output)
    end)

  it("takes a job once, however often and in whatever way it is named",
    function()
      make_three()
      local output = run("camb jobs -o out 3 in/take002.wav 3 2>/dev/null")
      assert.matches("^3 +failed [^\n]+\n$", output)
      for _, word in ipairs({ "4", "0", "03", ("9"):rep(30) }) do
        assert.equal(2, select(2, run("camb jobs -o out %s", word)))
      end
    end)

  it("resubmits what may have been paid for only when that is said", function()
    make_three()
    local output, status = run("camb jobs -o out --retry 2")
    assert.equal(2, status, output)
    output, status = run("camb jobs -o out --resubmit-unknown 2")
    assert.equal(0, status, output)
    assert.matches("^2 +intended  ", (run("camb jobs -o out 2")))
    assert.equal(2, select(2, run("camb jobs -o out --retry --forget 1")))
  end)

  it("forgets the named jobs, and keeps ids that are paid for on the screen",
    function()
      server:fault({ step = "stem", status = 403, times = math.huge })
      run("mkdir out; rm in/take002.wav in/take003.wav")
      batch("--deadline 3")
      local output, status = run("camb jobs -o out --forget 1")
      assert.equal(0, status, output)
      assert.matches("1 job forgotten\n", output)
      local line = output:match("its task is %S+; to download its stems, run: "
        .. "(camb download [^\n]+)\n")
      server:clear_faults()
      output, status = run("timeout 60 %s", line)
      assert.equal(0, status, output)
      assert.equal("", (run("camb jobs -o out")))
      assert.equal(2, select(2, run("camb jobs -o out --forget")))
    end)

  it("pauses all sending, and says which line lets it go on", function()
    run("camb batch in -o out --add-only")
    local output = run("camb jobs -o out --pause lunch")
    local line = output:match("to resume, run: ([^\n]+)\n")
    assert.matches("paused    lunch\n", run("camb jobs -o out --workers"), 1,
      true)
    output = run((assert(line, output):gsub("%%", "%%%%")))
    assert.equal("camb: resumed\n", output)
    assert.is_nil(run("camb jobs -o out --workers"):find("paused", 1, true))
  end)

  it("forgets nothing while a batch works on the store", function()
    run("mkdir out")
    batch()
    local other = assert(store.open(folder .. "/out/.camb.db"))
    local output, status = run("camb jobs -o out --forget 1")
    other:close()
    assert.equal(1, status)
    assert.matches("a batch is using this store: forget jobs once it has ended",
      output)
    assert.matches("^1 +downloaded", (run("camb jobs -o out 1")))
  end)

  it("finds the store of a sandbox, whose batch goes on with --sandbox",
    function()
      local output = run("timeout 60 camb batch in/take001.wav -o out --sandbox "
        .. "--engine 'sh %s/engine.sh'", folder)
      assert.matches("take001.foreground.wav\n", output)
      output = run("camb jobs -o out --retry")
      assert.matches("0 jobs will be retried", output)
      output = run("echo no >a.wav; timeout 60 camb batch a.wav -o out "
        .. "--sandbox; camb jobs -o out --retry")
      assert.matches("run: camb batch %-%-store /%S+ %-%-sandbox\n$", output)
    end)

  it("says where it looked for a store or a job that there is not", function()
    local output, status = run("camb jobs")
    assert.equal(1, status)
    assert.matches('there is no store "./.camb.db": name one with --store',
      output, 1, true)
    run("mkdir out")
    batch()
    output, status = run("camb jobs -o out 77")
    assert.equal(2, status)
    assert.matches('the store has no job "77"', output)
  end)
end)
