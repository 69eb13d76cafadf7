local json = require "camb.json"

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
    assert.equal("integer", math.type(json.integer(7.0)))
    assert.equal(1001, json.integer("1001"))
    assert.equal(9007199254740993, json.integer("9007199254740993"))
    assert.equal("99999999999999999999", json.integer("99999999999999999999"))
  end)

  it("refuses what is not an integer", function()
    for _, value in ipairs({ 1.5, "1.5", "x", "", true, 0 / 0, 1 / 0 }) do
      assert.is_nil(json.integer(value))
    end
    assert.is_nil(json.integer(nil))
  end)

  it("writes an integer as its digits, also beyond 2^53", function()
    assert.equal("9007199254740993", json.digits(9007199254740993))
    assert.equal("99999999999999999999", json.digits("99999999999999999999"))
    assert.equal("-3", json.digits(-3))
  end)
end)
