--- Where temporary files go.

local temporary = {}

--- Their folder.
---@return string
function temporary.folder()
  local folder = os.getenv("TMPDIR")
  return folder and folder ~= "" and folder or "/tmp"
end

--- What to do if it takes none.
temporary.CURE = "set TMPDIR to another folder"

--- What is wrong, and what to do.
---@param problem string # of the system
---@return string
function temporary.explain(problem)
  return ('a temporary file cannot be written in "%s": %s; %s'):format(
    temporary.folder(), problem, temporary.CURE)
end

return temporary
