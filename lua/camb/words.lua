--- Advice, in the words of where it is read: in a program, or in the shell.

local words = {}

local LUA = {
  overwrite = "pass overwrite = true to replace it, or another output_dir",
  names = "give one of them another name or output_dir",
  stem = "pass check = false to send it",
}

local SHELL = {
  overwrite = "use --overwrite to replace it, or another --output-dir",
  names = "use another --output-dir for one of them",
  stem = "use camb separate to send it",
}

local spoken = LUA

--- From now on a shell is what is read in.
function words.speak_shell()
  spoken = SHELL
end

--- The advice `name`.
---@param name "overwrite" | "names" | "stem"
---@return string
function words.advice(name)
  return spoken[name]
end

return words
