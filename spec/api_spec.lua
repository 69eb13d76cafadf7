local api = require "camb.api"
local operations = require "camb.operations"
local luas = require "spec.support.luas"

describe("camb.api", function()
  it("percent-encodes a task id as one segment of the path", function()
    assert.equal("http://h/apis/audio-separation/a%2Fb%3Fc%20%C3%A4",
      operations.request("status", "http://h/apis",
        { task_id = "a/b?c ä" }).url)
  end)

  it("keeps run ids exact in URLs and bodies", function()
    local large = luas.has_integers and 9007199254740993 or "9007199254740993"
    assert.equal("b/audio-separation-result/9007199254740993",
      operations.request("result", "b", { run_id = large }).url)
    assert.equal('{"run_ids":[1,9007199254740993,99999999999999999999]}',
      operations.request("results", "b", { run_ids = { 1, large,
        "99999999999999999999" } }).body)
  end)

  it("accepts the shapes of a created task seen in practice", function()
    assert.equal("T", api.read_created('{"task_id":"T","more":1}').task_id)
    assert.equal("T", api.read_created('{"payload":{"task_id":"T"}}').task_id)
  end)

  it("refuses a created task without an id", function()
    for _, text in ipairs({ "{}", '{"task_id":null}', '{"task_id":7.5}',
      '{"task_id":""}', '{"task_id":{}}', '{"task_id":"T', '{"task_id":77',
      "[]", '"T"', "<html>" }) do
      local reply, problem = api.read_created(text)
      assert.is_nil(reply)
      assert.is_string(problem)
    end
  end)

  it("accepts the shapes of a status seen in practice", function()
    assert.equal("PENDING", api.read_status('"PENDING"').status)
    local nested = api.read_status('{"message":{"status":"SUCCESS","run_id":5}}')
    assert.equal("SUCCESS", nested.status)
    assert.equal(5, nested.run_id)
    local plain = api.read_status(
      '{"status":"ERROR","run_id":null,"exception_reason":"NONE",'
      .. '"message":"bad","extra":{"x":1}}')
    assert.is_nil(plain.run_id)
    assert.is_nil(plain.exception_reason)
    assert.equal("bad", plain.message)
    assert.equal(1, plain.raw.extra.x)
  end)

  it("refuses a status without a word, or with a run id that is none",
    function()
      for _, text in ipairs({ "{}", "7", '{"status":7}', "<html>", "",
        '{"status":"SUCCESS","run_id":"x"}',
        '{"status":"SUCCESS","run_id":1.5}' }) do
        local status, problem = api.read_status(text)
        assert.is_nil(status)
        assert.is_string(problem)
      end
    end)

  it("knows the documented words and those of practice in any case",
    function()
      assert.equal("pending", api.meaning("PENDING"))
      assert.equal("success", api.meaning("Completed"))
      assert.equal("success", api.meaning("complete"))
      assert.equal("task_failed", api.meaning("failed"))
      assert.equal("task_timeout", api.meaning("TIMEOUT"))
      assert.equal("payment_required", api.meaning("PAYMENT_REQUIRED"))
      assert.is_nil(api.meaning("QUEUED"))
    end)

  it("refuses results whose URLs cannot be fetched", function()
    local good = '"background_audio_url":"https://h/b.flac"'
    for _, url in ipairs({ "null", '"/fg.flac"', '"file:///etc/passwd"',
      '"ftp://h/x"', '"http://h a/b"', '"http://h/\\r\\nx"', "7", '""' }) do
      local urls, problem = api.read_result(
        ('{"foreground_audio_url":%s,%s}'):format(url, good))
      assert.is_nil(urls)
      assert.matches("foreground_audio_url", problem)
    end
  end)

  it("names the run whose entry in a bulk reply is broken", function()
    local results, problem = api.read_results('{"12":{"foreground_audio_url":1}}')
    assert.is_nil(results)
    assert.matches("run 12", problem)
  end)

  it("reads FastAPI's validation errors and plain ones", function()
    assert.equal("folder_id: value is not a valid integer", (api.read_error(
      '{"detail":[{"loc":["body","folder_id"],'
      .. '"msg":"value is not a valid integer","type":"x"}]}')))
    assert.equal("Invalid API key",
      (api.read_error('{"error":"Invalid API key","status":401}')))
    assert.equal("Not Found", (api.read_error('{"detail":"Not Found"}')))
    assert.is_nil((api.read_error("<html>")))
  end)
end)
