dofile "/camb/examples/hosts/neovim.lua"
local late = require "late"

vim.loop.new_timer():start(10, 10, function()
  late.tick(0.01)
end)
vim.api.nvim_create_autocmd("User", { pattern = "CambSeparated",
  callback = function()
    late.report ":CambSeparate"
    vim.cmd "qa!"
  end })
vim.defer_fn(function()
  late.begin()
  vim.cmd("CambSeparate " .. os.getenv "FILE")
end, 3000)
