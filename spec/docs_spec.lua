-- What `make docs` refuses: whatever is public and is not documented.

local workspace = require "spec.support.workspace"

local LUA = os.getenv "LUA" or "lua5.4"

describe("make docs #build", function()
  local folder

  setup(function()
    folder = workspace.folder()
    assert(os.execute(("cp -R lua doc '%s' && mkdir '%s/spec' "
      .. "&& cp -R spec/support '%s/spec'"):format(folder, folder, folder)))
  end)

  teardown(function()
    workspace.remove(folder)
  end)

  local function docs()
    return workspace.run(("cd '%s' && mkdir -p out && LUA_PATH='./lua/?.lua;"
      .. "./lua/?/init.lua;./?.lua;;' timeout 60 %s spec/support/docs.lua out "
      .. "$(find lua -name '*.lua')"):format(folder, LUA))
  end

  -- The output of the program with `after` put behind `mark` in `file`.
  local function with(file, mark, after)
    local path = folder .. "/" .. file
    local text = workspace.read(path)
    local _, last = text:find(mark, 1, true)
    assert(last, mark)
    workspace.write(path, text:sub(1, last) .. after .. text:sub(last + 1))
    local output, status = docs()
    workspace.write(path, text)
    return output, status
  end

  local OPTIONS = "local TABLE = {\n"
  local WRONG = {
    ["an option without a meaning"] = { "lua/camb/options.lua", OPTIONS,
      '{ name = "odd", rule = check.boolean, calls = "client" },\n',
      "option 'odd' of camb.client has no sentence" },
    ["an option of no call"] = { "lua/camb/options.lua", OPTIONS,
      '{ name = "odd", rule = check.boolean, calls = "cleint", '
        .. 'help = "Be odd." },\n',
      "option 'odd' is one of no call and of no command" },
    ["a number without a unit"] = { "lua/camb/options.lua", OPTIONS,
      '{ name = "odd", rule = check.number(0), calls = "wait", '
        .. 'help = "Be odd." },\n',
      "option 'odd' of task:wait has no unit" },
    ["an option without a type"] = { "lua/camb/options.lua", OPTIONS,
      '{ name = "odd", rule = {}, calls = "client", help = "Be odd." },\n',
      "option 'odd' of camb.client has no type" },
    ["a flag without a meaning"] = { "lua/camb/options.lua", OPTIONS,
      '{ name = "odd", rule = check.boolean, calls = "", flag = "--odd", '
        .. 'commands = "report", help = "" },\n',
      "option 'odd' of camb report has no sentence" },
    ["an option of a recording's function without a meaning"] = {
      "lua/camb/audio.lua", "peaks = {\n",
      '{ name = "odd", rule = check.boolean },\n',
      "option 'odd' of camb.audio.peaks has no sentence" },
    ["a fault without a meaning"] = { "lua/camb/sandbox/options.lua",
      "options.FAULT = {\n", '{ name = "odd", rule = check.boolean },\n',
      "option 'odd' of server:fault has no sentence" },
    ["an event without an entry"] = { "lua/camb/submit.lua",
      'operation:emit("submitted")\n', '  operation:emit("odd")\n',
      "the event 'odd' is not in lua/camb/events.lua" },
    ["an event that never comes"] = { "lua/camb/events.lua", "return {\n",
      '{ name = "odd", when = "It is odd." },\n',
      "nothing makes the event 'odd'" },
    ["an event without a meaning"] = { "lua/camb/events.lua", "return {\n",
      '{ name = "odd" },\n', "event 'odd' does not say when it comes" },
    ["a kind of error without an entry"] = { "lua/camb/task.lua",
      "function Task:cancel()\n", 'self.error = { kind = "odd" }\n',
      "the kind of error 'odd' is not in lua/camb/error.lua" },
    ["a kind of error without advice"] = { "lua/camb/error.lua",
      "error_module.KINDS = {\n",
      '{ kind = "odd", exit = 1, retryable = false, when = "It is odd." },\n',
      "error 'odd' does not say when it comes, or what to do" },
    ["a kind of error without a section"] = { "lua/camb/error.lua",
      "error_module.KINDS = {\n", '{ kind = "odd", exit = 1, '
        .. 'retryable = false, when = "It is odd.", cure = "Wait." },\n',
      "doc/errors.md has no section on 'odd'" },
    ["a variable of the environment that is told of nowhere"] = {
      "lua/camb/submit.lua", "local submit = {}\n",
      'submit.odd = os.getenv("ODD")\n', "the variable 'ODD' is not documented" },
    ["a function without a comment"] = { "lua/camb/client.lua",
      "Client.__index = Client\n", "function Client:odd() end\n",
      "Client:odd has no comment" },
    ["a function written as a field"] = { "lua/camb/client.lua",
      "Client.__index = Client\n", "Client.odd = function() end\n",
      "Client: the function 'odd' is not documented" },
    ["a parameter without a type"] = { "lua/camb.lua", "local camb = {}\n",
      "\n--- Be odd.\nfunction camb.odd(number)\n  print(number)\nend\n",
      "camb.odd does not say what 'number' is" },
    ["a result without a type"] = { "lua/camb.lua", "local camb = {}\n",
      "\n--- Be odd.\nfunction camb.odd()\n  return 1\nend\n",
      "camb.odd does not say what it returns" },
    ["a class that is described nowhere"] = { "lua/camb.lua",
      "local camb = {}\n", "\n--- Be odd.\n---@return camb.Odd\n"
        .. "function camb.odd()\n  return {}\nend\n",
      "camb.odd mentions camb.Odd, which is described nowhere" },
    ["a field without a meaning"] = { "lua/camb/task.lua",
      "---@class camb.Task\n", "---@field odd string\n",
      "camb.Task does not say what 'odd' is" },
    ["a method of the sandbox without a field"] = { "lua/camb/sandbox.lua",
      "function core.methods.fault(server, fault)\n",
      "end\nfunction core.methods.odd(server, fault)\n",
      "SandboxServer: the function 'odd' is not documented" },
  }

  it("writes what is documented", function()
    local output, status = docs()
    assert.equal(0, status, output)
    assert.truthy(workspace.read(folder .. "/out/reference.md"))
  end)

  it("says in the man page how often an operand comes, and flags as the help "
    .. "does", function()
    assert.equal(0, select(2, docs()))
    local page = workspace.read(folder .. "/out/camb.1")
    for words, operand in pairs({ submit = "\\fIfile\\fR...",
      watch = "\\fIfolder\\fR", jobs = "[\\fIjob\\fR...]",
      report = "[\\fIplace\\fR]" }) do
      assert.truthy(page:find(("\\fBcamb %s\\fR [\\fIoptions\\fR] %s\n")
        :format(words, operand), 1, true), words)
    end
    assert.is_true(page:find("\\-\\-only", 1, true)
      < page:find("\\-\\-api\\-key", 1, true))
  end)

  for what, case in pairs(WRONG) do
    it("refuses " .. what, function()
      local output, status = with(case[1], case[2], case[3])
      assert.equal(1, status, output)
      assert.truthy(output:find(case[4], 1, true), output)
    end)
  end
end)
