-- What shells complete, in the shells themselves.

local command = require "spec.support.command"
local workspace = require "spec.support.workspace"

describe("camb completion", function()
  local folder, run

  before_each(function()
    folder = workspace.folder()
    run = command.runner(folder)
  end)

  after_each(function()
    workspace.remove(folder)
  end)

  -- What is on the terminal of `shell` once each of `keys` was typed after what
  -- stands before it had appeared.
  local function screen_of(shell, steps)
    local typing = {}
    for i = 1, #steps, 2 do
      typing[#typing + 1] = ("expect '%s'; printf %%b '%s'"):format(steps[i],
        steps[i + 1])
    end
    return run([=[
      expect() {
        for i in $(seq 1000); do
          tr -d '\r' <screen | sed 's/\x1b\[[0-9;?]*[A-Za-z]//g' |
            grep -qaF -e "$1" && return
          sleep 0.02
        done
      }
      touch screen
      { ]=] .. table.concat(typing, "\n") .. [[; } |
        TERM=dumb PS1='ready> ' timeout 60 script -qefc ']] .. shell
      .. [[' /dev/null >screen 2>&1
      cat screen]])
  end

  it("completes commands, options, values and files in bash", function()
    workspace.write(folder .. "/two words.wav", "")
    local screen = screen_of("bash --norc --noprofile -i", {
      "ready> ", 'eval "$(camb completion bash)"; echo load""ed\\n',
      "loaded", "camb jo\\t",
      "camb jobs ", "--stat\\t",
      "camb jobs --state ", "fai\\t",
      "camb jobs --state failed ", "\\025camb separate two\\t",
      "camb separate two\\ words.wav ", "--outp\\t",
      "--output-dir ", "\\025exit\\n" })
    assert.matches("camb jobs --state failed ", screen, 1, true)
    assert.matches("camb separate two\\ words.wav --output-dir ", screen, 1,
      true)
  end)

  it("completes commands, options and values in zsh", function()
    local screen = screen_of("zsh -f -i", {
      "", 'camb completion zsh >_camb; fpath=($PWD $fpath); autoload -U '
        .. 'compinit; compinit -u; echo load""ed\\n',
      "loaded", "camb jo\\t",
      "camb jobs", "--stat\\t",
      "--state", "fai\\t",
      "failed", "\\025exit\\n" })
    assert.matches("camb jobs.-%-%-state.-failed", screen)
  end)

  it("completes commands, options and values in fish", function()
    for words, expected in pairs({
      ["camb jo"] = "jobs\tList the jobs",
      ["camb jobs --stat"] = "--state\tList only jobs in this state",
      ["camb jobs --state fai"] = "failed",
      ["camb help comp"] = "completion",
    }) do
      local output, status = run("camb completion fish >c.fish; timeout 60 fish "
        .. "-N -c 'source c.fish; complete -C \"%s\"'", words)
      assert.equal(0, status, output)
      assert.equal(expected, output:sub(1, #expected), output)
    end
  end)

  it("knows each command and each of its options, in every shell", function()
    local cli = require "camb.cli"
    local options = require "camb.options"
    for _, shell in ipairs({ "bash", "zsh", "fish" }) do
      local script = run("camb completion %s", shell)
      for _, entry in ipairs(cli.COMMANDS) do
        assert.is_truthy(script:find(entry.name, 1, true), entry.name)
        for _, option in ipairs(options.flags(entry.name)) do
          local name = option.flag:match("%-%-([%w-]+)")
          assert.is_truthy(script:find(name, 1, true), name)
        end
      end
    end
  end)
end)
