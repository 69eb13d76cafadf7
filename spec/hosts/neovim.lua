dofile "/camb/examples/hosts/neovim.lua"
local late = require "late"

vim.loop.new_timer():start(10, 10, function()
  late.tick(0.01)
end)
local function separate(bang)
  vim.cmd("CambSeparate" .. bang .. " " .. os.getenv "FILE")
end

-- How many stems each run makes, and what the next one has.
local RUNS = { { 2, "" }, { 0, "!" }, { 2 } }
local run = 0
local REPORT = os.getenv "REPORT"
vim.api.nvim_create_autocmd("User", { pattern = "CambSeparated",
  callback = function()
    run = run + 1
    if run == 1 then
      late.report ":CambSeparate"
      os.rename(REPORT, REPORT .. ".kept") -- until all is right
    end
    local is_right = #vim.g.camb_stems == RUNS[run][1]
    if is_right and RUNS[run][2] then
      return vim.schedule(function()
        separate(RUNS[run][2])
      end)
    elseif is_right then
      os.rename(REPORT .. ".kept", REPORT)
    end
    vim.cmd "qa!"
  end })
vim.defer_fn(function()
  late.begin()
  separate ""
end, 3000)
