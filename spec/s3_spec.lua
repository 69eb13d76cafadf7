-- Sources and stems in S3, beside a server that checks each signature.

local bucket = require "spec.support.bucket"
local command = require "spec.support.command"
local core = require "camb.core"
local scripted = require "spec.support.scripted"
local sigv4 = require "spec.support.sigv4"
local stage = require "spec.support.stage"
local store = require "camb.store"
local workspace = require "spec.support.workspace"

describe("the signature that the specs check by", function()
  -- The examples of AWS's description of signed requests to S3.
  it("is that of AWS's examples", function()
    local empty = sigv4.sha256("")
    local function signature(method, path, signed, headers)
      headers.host = "examplebucket.s3.amazonaws.com"
      headers["x-amz-content-sha256"] = headers["x-amz-content-sha256"] or empty
      headers["x-amz-date"] = "20130524T000000Z"
      return sigv4.signature({ method = method, path = path,
        headers = headers }, "20130524/us-east-1/s3/aws4_request", signed,
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    end
    assert.equal(
      "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
      signature("GET", "/test.txt", "host;range;x-amz-content-sha256;x-amz-date",
        { range = "bytes=0-9" }))
    assert.equal(
      "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
      signature("PUT", "/test%24file.text", "date;host;x-amz-content-sha256;"
        .. "x-amz-date;x-amz-storage-class", {
        date = "Fri, 24 May 2013 00:00:00 GMT",
        ["x-amz-storage-class"] = "REDUCED_REDUNDANCY",
        ["x-amz-content-sha256"] = sigv4.sha256("Welcome to Amazon S3.") }))
    assert.equal(
      "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
      signature("GET", "/?max-keys=2&prefix=J",
        "host;x-amz-content-sha256;x-amz-date", {}))
  end)
end)

describe("S3", function()
  local server, folder, run, peer

  command.for_each(2, nil, function(...)
    server, folder, run = ...
  end)

  after_each(function()
    if peer then
      peer.stop()
      peer = nil
    end
  end)

  -- A batch; temporary files go to "tmp".
  local function batch(words, environment)
    run("mkdir -p tmp")
    local output, status = run("%s%sexport TMPDIR=$PWD/tmp; timeout 60 camb "
      .. "batch --interval 0.05 %s", peer and peer.environment or "",
      environment or "", words)
    for _, secret in ipairs({ "spec+secret", "spec//token", "SPECKEYID" }) do
      assert.is_nil(output:find(secret, 1, true))
    end
    return output, status
  end

  -- Put in/take001.wav there as `path`, already encoded.
  local function put(path)
    assert.equal("", (run("%scurl -sS --aws-sigv4 aws:amz:eu-west-3:s3 --user "
      .. "SPECKEYID:spec+secret/0 -H 'x-amz-security-token: spec//token==' "
      .. "-H x-amz-content-sha256:$(sha256sum in/take001.wav | cut -d' ' -f1) "
      .. "-T in/take001.wav '%s/%s'", peer.environment, peer.origin, path)))
  end

  local function rows(path)
    local jobs = assert(store.open(folder .. "/" .. path))
    local found = {}
    for row in jobs:each() do
      found[#found + 1] = row
    end
    jobs:close()
    return found
  end

  it("gives sources, whatever is in their keys", function()
    peer = bucket.start()
    put("takes/a%20dir/t%C3%A4ke%3D1%2B%28x%29%26%25%3F%23~b.wav")
    local output, status = batch(
      "'s3://takes/a dir/täke=1+(x)&%?#~b.wav' -o out --log log")
    assert.equal(0, status, output)
    assert.matches("out/takes/a dir/täke=1+(x)&%?#~b.foreground.wav\n", output,
      1, true)
    assert.equal(1, server:stats().uploads)
    assert.is_nil(peer.log():find("API KEY", 1, true))
    assert.is_nil(workspace.read(folder .. "/log"):find("SPECKEY", 1, true))
  end)

  it("gives the rest of a source that was cut, signed anew", function()
    peer = bucket.start('false, "cut"')
    put("takes/a.wav")
    local output, status = batch("s3://takes/a.wav -o out")
    assert.equal(0, status, output)
    assert.matches("GET /takes/a.wav cut\nGET /takes/a.wav 206", peer.log(), 1,
      true)
    assert.equal(workspace.read(folder .. "/in/take001.wav"),
      workspace.read(folder .. "/out/takes/a.foreground.wav"))
  end)

  it("takes stems, and the job is done when it has them", function()
    peer = bucket.start()
    run("mkdir -p in/more; mv in/take002.wav in/more")
    local output, status = batch("in --store b.db -o s3://stems/to/here/ "
      .. "--on-done 'cat >>told'")
    assert.equal(0, status, output)
    assert.matches("s3://stems/to/here/more/take002.background.wav\n", output, 1,
      true)
    for _, row in ipairs(rows("b.db")) do
      assert.equal("downloaded", row.state)
      assert.matches(("PUT %s 200 %s\n"):format(row.foreground:sub(5),
        row.foreground_sha256), peer.log(), 1, true)
      assert.equal(844, row.foreground_size)
    end
    assert.matches('"foreground":"s3://stems/', workspace.read(folder
      .. "/told"), 1, true)
    assert.same({}, workspace.list(folder .. "/tmp"))
    assert.same(2, server:stats().uploads)
    output, status = batch("in --store b.db -o s3://stems/to/here/")
    assert.equal(0, status, output)
    assert.same(2, server:stats().uploads)
  end)

  it("has to let camb in before anything is paid for", function()
    peer = bucket.start()
    for environment, words in pairs({
      ["AWS_SECRET_ACCESS_KEY=wrong; "] = "HTTP 403: SignatureDoesNotMatch",
      ["AWS_SESSION_TOKEN=; "] = "HTTP 403: InvalidToken",
      ["AWS_ACCESS_KEY_ID=; "] = "S3 needs the environment variables "
        .. "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
      ["AWS_REGION=us-east-1; "] = "HTTP 403: AuthorizationHeaderMalformed",
      ["AWS_ENDPOINT_URL=x; "] = "AWS_ENDPOINT_URL is not an http or https URL",
    }) do
      local output, status = batch("in/take001.wav --store " .. #words
        .. ".db -o s3://stems", environment)
      assert.equal(3, status, output)
      assert.matches('"s3://stems/take001.foreground.flac" cannot be written: '
        .. words, output, 1, true)
    end
    local output, status = batch("in/take001.wav --store n.db -o s3://none/x")
    assert.equal(3, status, output)
    assert.matches("HTTP 404: NoSuchBucket", output, 1, true)
    assert.equal(0, server:stats().uploads)
    assert.same({}, workspace.list(folder .. "/tmp"))
  end)

  it("lets camb in by a profile of ~/.aws, as AWS's own tools", function()
    peer = bucket.start()
    run("mkdir .aws")
    workspace.write(folder .. "/.aws/config", ("[default]\nregion = us-east-1\n"
      .. "# the studio's\n[profile studio]\r\nregion=eu-west-3\r\ns3 =\n"
      .. "  addressing_style = path\nendpoint_url = %s\n"):format(peer.origin))
    workspace.write(folder .. "/.aws/credentials", "[default]\n"
      .. "aws_access_key_id = OTHER\naws_secret_access_key = other\n\n[studio]\n"
      .. "aws_access_key_id = SPECKEYID\naws_secret_access_key=spec+secret/0  \n"
      .. "aws_session_token = spec//token==\n")
    local unset = "unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY "
      .. "AWS_SESSION_TOKEN AWS_REGION AWS_ENDPOINT_URL; "
    local words = "in/take001.wav --store b.db -o s3://stems/by/profile"
    local output, status = batch(words, unset .. "export AWS_PROFILE=none; ")
    assert.equal(3, status, output)
    assert.matches("no profile is called as AWS_PROFILE says", output, 1, true)
    assert.equal(0, server:stats().uploads)
    output, status = batch(words .. " --retry-failed", unset
      .. "export AWS_PROFILE=studio; ")
    assert.equal(0, status, output)
    output, status = batch("in/take002.wav --store c.db -o s3://stems/by/file",
      unset .. "mv .aws/credentials keys; export AWS_PROFILE=studio "
      .. "AWS_SHARED_CREDENTIALS_FILE=$PWD/keys; ")
    assert.equal(0, status, output)
    assert.equal(2, server:stats().uploads)
  end)

  it("keeps an object that is there, before anything is paid for", function()
    peer = bucket.start()
    put("stems/x/take001.foreground.flac")
    local output, status = batch("in/take001.wav --store b.db -o s3://stems/x")
    assert.equal(3, status, output)
    assert.matches('"s3://stems/x/take001.foreground.flac" already exists',
      output, 1, true)
    assert.equal(0, server:stats().uploads)
    assert.equal(0, select(2, batch("in/take001.wav --store b.db "
      .. "-o s3://stems/x --overwrite --retry-failed")))
  end)

  it("is asked again when it is busy", function()
    peer = bucket.start('false, false, { 503, "SlowDown" }')
    local output, status = batch("in/take001.wav --store b.db -o s3://stems")
    assert.equal(0, status, output)
    assert.matches("HTTP 503: retrying in", output, 1, true)
  end)

  it("may refuse stems: they stay, and are only brought again", function()
    peer = bucket.start('false, false, { 403, "AccessDenied" }')
    local output, status = batch("in/take001.wav --store b.db -o s3://stems")
    assert.equal(1, status, output)
    assert.matches('"s3://stems/take001.foreground.wav" was not stored: '
      .. "HTTP 403: AccessDenied\n", output, 1, true)
    local before = server:stats().requests
    output, status = batch("--store b.db --retry-failed")
    assert.equal(0, status, output)
    assert.same(before, server:stats().requests)
    assert.same({}, workspace.list(folder .. "/tmp"))
  end)

  it("gets no stem that is larger than it takes, which stays", function()
    peer = bucket.start('false, false, { 403, "AccessDenied" }')
    batch("in/take001.wav --store b.db -o s3://stems")
    local stem = rows("b.db")[1].foreground
    run("truncate -s 6G %s; sqlite3 b.db 'UPDATE camb_jobs SET "
      .. "foreground_size = %.0f'", stem, 6 * 1024 ^ 3)
    local output, status = batch("--store b.db --retry-failed --attempts 3")
    assert.equal(10, status, output)
    assert.matches('"s3://stems/take001.foreground.wav" was not stored: it has '
      .. "6.0 GB, and S3 takes 5 GB: copy it from " .. stem .. " by another tool"
      .. "\n", output, 1, true)
    assert.is_nil(output:find("retrying", 1, true))
    assert.equal("file", (core.stat(stem)))
  end)

  it("is not believed when it does not have what it took", function()
    peer = bucket.start("false, false, { 200 }")
    local output, status = batch("in/take001.wav --store b.db -o s3://stems")
    assert.equal(1, status, output)
    assert.matches("was not stored: HTTP 404", output, 1, true)
    assert.same({ failed = 1 }, stage.counts(folder .. "/b.db"))
  end)

  it("is not believed when what it has is not what was sent", function()
    local digest = run("sha256sum in/take001.wav"):sub(1, 32)
    for _, answers in ipairs({ '"altered"',
      ([[false, { 200, "", 'ETag: "%s"' }]]):format(digest), -- of no bytes
      '{ 200 }, { 200, "", nil, (" "):rep(844) }' }) -- or no ETag
    do
      peer = bucket.start("false, false, " .. answers)
      run("rm -f b.db*")
      local output, status = batch("in/take001.wav --store b.db -o s3://stems")
      assert.equal(1, status, output)
      assert.matches("was not stored: S3 does not have it as it was sent", output,
        1, true)
      assert.same({ failed = 1 }, stage.counts(folder .. "/b.db"))
      peer.stop()
    end
    peer = nil
  end)

  it("sends nothing that is signed to another host", function()
    local other = scripted.start("print(connection:head())")
    peer = bucket.start(('{ 307, "TemporaryRedirect", "Location: '
      .. 'http://127.0.0.1:%d/takes/a.wav" }'):format(other.port))
    local output, status = batch("s3://takes/a.wav -o out")
    assert.equal(6, status, output)
    assert.equal("", other.log())
    other.stop()
  end)

  it("gets a stem that was not asked for before, beside the other one",
    function()
      peer = bucket.start()
      local words = "in/take001.wav --store b.db -o s3://stems"
      local output, status = batch(words .. " --only foreground")
      assert.equal(0, status, output)
      output, status = batch(words .. " --on-done 'cat >told'")
      assert.equal(0, status, output)
      local row = rows("b.db")[1]
      assert.matches("s3://stems/take001.foreground.", row.foreground, 1, true)
      assert.matches("s3://stems/take001.background.", row.background, 1, true)
      assert.equal(844, row.foreground_size)
      assert.equal(2, select(2, peer.log():gsub("PUT ", "")))
      assert.matches(row.foreground, workspace.read(folder .. "/told"), 1, true)
      assert.equal(1, server:stats().uploads)
      assert.same({}, workspace.list(folder .. "/tmp"))
    end)

  it("sends nothing that is signed to the service either", function()
    peer = bucket.start(('{ 307, "TemporaryRedirect", "Location: %s/x" }')
      :format(server.base_url))
    local output, status = batch("in/take001.wav --store b.db -o s3://stems")
    assert.equal(3, status, output)
    assert.same({}, server:requests())
  end)

  it("is looked at by the doctor", function()
    peer = bucket.start()
    local words, status = run(peer.environment .. "camb doctor -o s3://stems/x "
      .. "--store b.db")
    assert.equal(1, status, words) -- the store does not exist
    assert.matches('ok    folder    "s3://stems/x" is there, and lets this '
      .. "machine in", words, 1, true)
    words = run(peer.environment .. "AWS_SECRET_ACCESS_KEY=x camb doctor -o "
      .. "s3://stems/x")
    assert.matches('FAIL  folder    "s3://stems/x" cannot be written: HTTP 403: '
      .. "SignatureDoesNotMatch; check the bucket", words, 1, true)
    assert.matches("stems in S3 need one; name a file", words, 1, true)
  end)

  it("takes the stems of a batch with a store only", function()
    for words, problem in pairs({
      ["batch in -o s3://stems"] = "an --output-dir in S3 needs --store",
      ["batch in -o s3://stems --store b.db --background-dir b"]
        = "--background-dir excludes an output_dir in S3",
      ["batch in -o s3:///x --store b.db"]
        = "--output-dir must look like s3://bucket/folder",
      ["batch in -o s3:// --store b.db"]
        = "--output-dir must look like s3://bucket/folder",
      ["batch in -o out --background-dir s3://stems/b"]
        = "--background-dir must be a folder of this machine, not in S3",
      ["separate in/take001.wav -o out --foreground-dir S3://stems/f"]
        = "--foreground-dir must be a folder of this machine, not in S3",
      ["separate in/take001.wav -o s3://stems"] = "in S3",
    }) do
      local output, status = run("timeout 60 camb " .. words)
      assert.is_true(status == 2 or status == 3, output)
      assert.matches(problem, output, 1, true)
    end
    assert.equal(0, server:stats().uploads)
  end)
end)
