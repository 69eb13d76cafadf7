local json = require "camb.json"
local workspace = require "spec.support.workspace"
local luas = require "spec.support.luas"

-- What decoding `text`, an expression of Lua, costs a process that does nothing
-- else: KiB beyond the text.
local function cost_of(text)
  local output, status = workspace.run(([[$LUA -e '
    local json = require "camb.json"
    local workspace = require "spec.support.workspace"
    local text = %s
    local before = workspace.memory()
    json.decode(text)
    print(workspace.peak() - before)' ]]):format(text))
  assert.equal(0, status, output)
  return tonumber(output)
end

describe("camb.json", function()
  it("turns null into nil, however deep", function()
    assert.is_nil((json.decode("null")))
    local value = json.decode('{"a":null,"b":{"c":null,"d":1}}')
    assert.is_nil(value.a)
    assert.is_nil(value.b.c)
    assert.equal(1, value.b.d)
  end)

  it("says what is wrong with text that is no JSON", function()
    for _, text in ipairs({ "", "<html>", '{"a":', "[1,]", "nope" }) do
      local value, problem = json.decode(text)
      assert.is_nil(value)
      assert.is_string(problem)
    end
  end)

  it("keeps integers exact that a double would round", function()
    local value = json.decode('{"run_id": 9007199254740993, "x":[12345678901234567890]}')
    assert.equal("9007199254740993", value.run_id)
    assert.equal("12345678901234567890", value.x[1])
  end)

  it("leaves digits inside of strings and fractions alone", function()
    local value = json.decode(
      [[{"a":"say \"12345678901234567\" twice\\","b":1.2345678901234567e3}]])
    assert.equal('say "12345678901234567" twice\\', value.a)
    assert.near(1234.5678901234567, value.b, 1e-9)
  end)

  it("reads run ids as numbers and as strings of digits", function()
    assert.equal(7, json.integer(7.0))
    assert.equal("integer", luas.type(json.integer(7.0)))
    assert.equal(1001, json.integer("1001"))
    local large = json.integer("9007199254740993")
    assert.equal(luas.has_integers and "number" or "string", type(large))
    assert.equal("9007199254740993", json.digits(large))
    assert.equal("99999999999999999999", json.integer("99999999999999999999"))
  end)

  it("refuses what is not an integer", function()
    for _, value in ipairs({ 1.5, "1.5", "x", "", true, 0 / 0, 1 / 0 }) do
      assert.is_nil(json.integer(value))
    end
    assert.is_nil(json.integer(nil))
  end)

  it("writes an integer as its digits, also beyond 2^53", function()
    if luas.has_integers then
      assert.equal("9007199254740993", json.digits(9007199254740993))
    end
    assert.equal("9007199254740992", json.digits(2 ^ 53))
    assert.equal("99999999999999999999", json.digits("99999999999999999999"))
    assert.equal("-3", json.digits(-3))
  end)

  it("reads the numbers that only Python writes", function()
    local value = assert(json.decode(
      '{"run_id":7,"a":NaN,"b":Infinity,"c":-Infinity,"d":"NaN"}'))
    assert.equal(7, value.run_id)
    assert.is_true(value.a ~= value.a)
    assert.equal(math.huge, value.b)
    assert.equal(-math.huge, value.c)
    assert.equal("NaN", value.d)
    for _, odd in ipairs({ value.a, value.b, value.c }) do
      assert.is_nil(json.integer(odd))
    end
  end)

  it("reads text behind a byte order mark", function()
    assert.equal(7, json.decode('\239\187\191{"run_id":7}').run_id)
  end)

  it("reads half of a surrogate pair as a character that is unknown",
    function()
      local value = json.decode([[{"a":"x\udce9.wav","b":"\ud83d\ude00",]]
        .. [["c":"\uD83Dx","d":"\ude00\ud83d","e":"\\udce9","f":"\\\\\udce9",]]
        .. [["g":"\ud83d\ud83d\ude00","h":"\""}]])
      assert.same({ a = "x\239\191\189.wav", b = "\240\159\152\128",
        c = "\239\191\189x", d = "\239\191\189\239\191\189", e = "\\udce9",
        f = "\\\\\239\191\189", g = "\239\191\189\240\159\152\128",
        h = '"' }, value)
    end)

  it("refuses more values than anyone needs", function()
    for _, text in ipairs({ ("[],"):rep(100000) .. "[]",
      ("{},"):rep(100000) .. "{}", ("1,"):rep(100000) .. "1" }) do
      local value, problem = json.decode("[" .. text .. "]")
      assert.is_nil(value)
      assert.equal("contains more than 100000 values", problem)
    end
    assert.is_string((json.decode('"' .. ("[,"):rep(100001) .. '"')))
  end)

  it("takes less than 48 MiB for a text of 8 MiB, whatever is in it",
    function()
      if os.getenv("SANITIZER") then
        pending("a sanitizer keeps what is freed")
        return
      end
      for _, text in ipairs({
        [["{\"a\":\"" .. ("\\\\"):rep(4000000) .. "\\ud83d\"}"]],
        [["{\"a\":\"" .. ("\\ud83d\\ude00"):rep(660000) .. "\"}"]],
        [["{\"a\":" .. ("1"):rep(8000000) .. "}"]],
        [["{\"a\":-1." .. ("1"):rep(8000000) .. "}"]],
        [["{\"a\":1" .. ("e-.+"):rep(2000000) .. "}"]],
        [["{\"a\":1234567890123456789,\"b\":\"" .. ("x"):rep(8000000) .. "\"}"]],
      }) do
        local cost = cost_of(text)
        -- Lua 5.2 grows its strings in larger steps
        local most = _VERSION == "Lua 5.2" and 64 or 48
        assert.is_true(cost < most * 1024, text .. ": " .. cost)
      end
    end)

  it("refuses a number of more digits than anyone needs", function()
    local value, problem = json.decode('{"a":' .. ("1"):rep(1001) .. "}")
    assert.is_nil(value)
    assert.equal("contains a number of 1001 digits", problem)
    assert.equal(("1"):rep(1000), json.decode(("1"):rep(1000)))
  end)

  it("looks at a row of backslashes once, however long it is", function()
    local value = json.decode('["' .. ("\\"):rep(2000001) .. 'u","\\udce9"]')
    assert.is_nil(value)
    assert.equal("\239\191\189", json.decode('["' .. ("\\"):rep(2000000)
      .. 'u","\\udce9"]')[2])
  end)
end)
