--- Neovim: ":CambSeparate FILE" separates a recording while you edit, by
--- Neovim's own loop; the stems come beside it.  With "!" they replace those
--- that are there.
---
---   nvim -S examples/hosts/neovim.lua      -- or from plugin/ of your config

local camb = require "camb"

-- The key is in CAMB_API_KEY, or in a file: vim.g.camb_api_key_file.
local client

local function open_client()
  client = client or camb.client({ loop = require "camb.loop.luv",
    api_key_file = vim.g.camb_api_key_file })
end

local function say(words)
  vim.schedule(function()
    vim.api.nvim_echo({ { "camb: " .. words } }, false, {})
  end)
end

vim.api.nvim_create_user_command("CambSeparate", function(command)
  local path = vim.fn.fnamemodify(command.args, ":p")
  open_client()
  coroutine.wrap(function()
    local stems, err = client:separate(path, {
      output_dir = path:match "^(.*[/\\])", overwrite = command.bang,
      on_event = function(event)
        if event.name ~= "failed" then
          say(event.sentence)
        end
      end })
    say(stems and "the stems are " .. stems.foreground .. " and "
      .. stems.background or err.exists and not err.task_id and err.path
      .. " is in the way: to separate again, and replace it, use "
      .. ":CambSeparate!" or err.message)
    vim.schedule(function()
      vim.g.camb_stems = stems and { stems.foreground, stems.background } or {}
      vim.api.nvim_exec_autocmds("User", { pattern = "CambSeparated" })
    end)
  end)()
end, { nargs = 1, complete = "file", bang = true })
