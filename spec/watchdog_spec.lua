local core = require "camb.core"
local scripted = require "spec.support.scripted"
local socket = require "cqueues.socket"

describe("a watchdog", function()
  local peer, dog, connection

  before_each(function()
    peer = scripted.start("require('cqueues').sleep(60)")
    dog = assert(core.watchdog())
    connection = socket.connect("127.0.0.1", peer.port)
    connection:setmode("b", "b")
    connection:onerror(function(_, _, why)
      return why
    end)
    assert(connection:connect(10))
  end)

  after_each(function()
    connection:close()
    dog:close()
    peer.stop()
  end)

  it("ends a call that blocks for too long", function()
    assert.is_true(dog:adopt())
    local began = core.now()
    dog:begin(0.3)
    assert.is_nil(connection:read(1))
    assert.is_true(dog:finish())
    assert.is_true(core.now() - began >= 0.3)
  end)

  it("ends a call on a socket that was found only then", function()
    dog:begin(0.3)
    assert.is_nil(connection:read(1))
    assert.is_true(dog:finish())
  end)

  it("leaves calls alone that end in time", function()
    assert.is_true(dog:adopt())
    for _ = 1, 100 do
      dog:begin(60)
      assert.is_false(dog:finish())
    end
    assert.is_true(connection:write("x") ~= nil)
  end)

  it("leaves sockets alone that were there before it", function()
    local other = core.watchdog()
    assert.is_false(other:adopt())
    other:begin(0)
    core.wait(0.5)
    assert.is_true(other:finish())
    other:close()
    assert.is_true(connection:write("x") ~= nil)
    assert.is_true(dog:adopt())
  end)
end)
