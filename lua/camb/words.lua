--- Advice, in the words of where it is read: in a program, or in the shell.

local words = {}

local LUA = {
  overwrite = "pass overwrite = true to replace it, or another output_dir",
  names = "give one of them another name or output_dir",
}

local SHELL = {
  overwrite = "use --overwrite to replace it, or another --output-dir",
  names = "use another --output-dir for one of them",
}

local spoken = LUA

--- From now on a shell is what is read in.
function words.speak_shell()
  spoken = SHELL
end

--- The advice `name`.
---@param name "overwrite" | "names"
---@return string
function words.advice(name)
  return spoken[name]
end

return words
