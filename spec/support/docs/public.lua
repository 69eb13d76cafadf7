-- What is public: modules and classes, and which options each call takes.

local audio = require "camb.audio"
local options = require "camb.options"
local sandbox_options = require "camb.sandbox.options"

local public = {}

--- A room is a section of the reference: the functions of `owner`, the fields of
--- `class`, the comment at the head of the file (`head`).  `module` says in which
--- file of definitions it belongs.
public.ROOMS = {
  { title = "camb", module = "camb", file = "lua/camb.lua", owner = "camb" },
  { title = "Client", module = "camb", file = "lua/camb/client.lua",
    owner = "Client", class = "camb.Client" },
  { title = "audio_separation", module = "camb",
    file = "lua/camb/audio_separation.lua", owner = "AudioSeparation",
    class = "camb.AudioSeparation" },
  { title = "Task", module = "camb", file = "lua/camb/task.lua",
    owner = "Task", class = "camb.Task" },
  { title = "Status", module = "camb", file = "lua/camb/api.lua",
    class = "camb.Status" },
  { title = "Source", module = "camb", file = "lua/camb/source.lua",
    class = "camb.Source" },
  { title = "Job", module = "camb", file = "lua/camb/async/job.lua",
    owner = "Job", class = "camb.Job" },
  { title = "Batch", module = "camb", file = "lua/camb/batch.lua",
    owner = "Batch", class = "camb.Batch" },
  { title = "BatchItem", module = "camb", file = "lua/camb/batch.lua",
    class = "camb.BatchItem" },
  { title = "Event", module = "camb", file = "lua/camb/operation.lua",
    class = "camb.Event" },
  { title = "Error", module = "camb", file = "lua/camb/error.lua",
    class = "camb.Error" },
  { title = "Loop", module = "camb", file = "lua/camb/async/scheduler.lua",
    class = "camb.Loop" },
  { title = "camb.store", module = "camb.store", file = "lua/camb/store.lua",
    owner = "store", head = true },
  { title = "Store", module = "camb.store", file = "lua/camb/store.lua",
    owner = "Store", class = "camb.Store" },
  { title = "Store", module = "camb.store", file = "lua/camb/store/claims.lua",
    owner = "Claims", goes_on = "Store" },
  { title = "Store", module = "camb.store",
    file = "lua/camb/store/changes.lua", owner = "Changes",
    goes_on = "Store" },
  { title = "camb.journal", module = "camb.journal",
    file = "lua/camb/journal.lua", owner = "journal", head = true },
  { title = "JournalEntry", module = "camb.journal",
    file = "lua/camb/journal.lua", class = "camb.JournalEntry" },
  { title = "camb.audio", module = "camb.audio", file = "lua/camb/audio.lua",
    owner = "audio", head = true },
  { title = "Probe", module = "camb.audio", file = "lua/camb/audio.lua",
    class = "camb.Probe" },
  { title = "Peaks", module = "camb.audio", file = "lua/camb/audio.lua",
    class = "camb.Peaks" },
  { title = "Spectrogram", module = "camb.audio",
    file = "lua/camb/audio.lua", class = "camb.Spectrogram" },
  { title = "camb.sandbox", module = "camb.sandbox",
    file = "lua/camb/sandbox.lua", owner = "sandbox" },
  { title = "SandboxServer", module = "camb.sandbox",
    file = "lua/camb/sandbox.lua", class = "camb.SandboxServer" },
  { title = "SandboxRequest", module = "camb.sandbox",
    file = "lua/camb/sandbox.lua", class = "camb.SandboxRequest" },
}

--- Modules of their own that are a loop each.
public.LOOPS = { "camb.loop.cqueues", "camb.loop.luv", "camb.loop.copas",
  "camb.loop.ngx" }

-- What takes which options, by the title of its section.
local TITLES = {
  client = "camb.client", submit = "client:submit", status = "task:status",
  wait = "task:wait", result = "client:result", results = "client:results",
  download = "client:download", separate = "client:separate",
  batch = "client:batch", entry = "an entry of a batch",
  source = "a source that is a table", store = "camb.store.open",
}
local CLASSES = { entry = "BatchEntry", source = "SourceTable",
  sandbox_fault = "SandboxFault" }

-- "one_two" as the name of a class: "OneTwo".
local function camel(name)
  return (name:gsub("_?(%l)(%l*)", function(first, rest)
    return first:upper() .. rest
  end))
end

--- Which options belong together, a section each.
public.SECTIONS = {}

local function add_section(title, call, list, default, module)
  table.insert(public.SECTIONS, { title = title, list = list,
    default = default, module = module or "camb",
    class = "camb." .. (CLASSES[call] or camel(call) .. "Options") })
end

for _, call in ipairs(options.CALLS) do
  local list = {}
  for _, option in ipairs(options.all()) do
    if options.takes(call, option) then
      list[#list + 1] = option
    end
  end
  add_section(TITLES[call] or "audio_separation:" .. call, call, list,
    function(option)
      return options.default(option, call)
    end, call == "store" and "camb.store")
end

local function own_default(option)
  return option.default
end
for _, call in ipairs({ "peaks", "spectrogram", "convert" }) do
  add_section("camb.audio." .. call, call, audio.OPTIONS[call], own_default,
    "camb.audio")
end
add_section("camb.sandbox.start", "sandbox", sandbox_options.START, own_default,
  "camb.sandbox")
add_section("server:fault", "sandbox_fault", sandbox_options.FAULT,
  own_default, "camb.sandbox")

return public
