--- The one table of events: what `on_event`, of a call or of a client, is
--- called with.  The reference is made of it, and a spec holds the events of
--- whole runs against it.

---@class camb.EventKind
---@field name string
---@field when string    # a sentence
---@field sentence string # for a person: {field} is the event's, {percent} how
---  much of its bytes was moved; [] is left out without what it names
---@field fields string? # beside name, time, source, task_id, run_id, sentence
---  and fraction
---@field step string?   # of a call: "upload", "wait", "download"; for fraction
---@field share number?  # of that step that is done; nil: bytes of total
---@field is_of_command boolean? # only --json and --log of the command have it

---@type camb.EventKind[]
return {
  { name = "changed", sentence = "The recording has changed.",
    when = "A batch with a store knew another recording under this path: this "
      .. "one is a new job." },
  { name = "probed", sentence = "The recording was checked.",
    fields = "duration rate channels codec",
    when = "A source was looked at before it is sent.  duration: seconds, if "
      .. "the file says so; rate: Hz." },
  { name = "upload_started", fields = "total filename",
    sentence = "Uploading {filename}.", step = "upload", share = 0,
    when = "The upload begins.  total: bytes of the file, if known." },
  { name = "upload_progress", fields = "bytes total",
    sentence = "Uploading[ {percent} %].", step = "upload",
    when = "Bytes were sent; at most ten events a second, and one at the "
      .. "end." },
  { name = "submitted", sentence = "Uploaded, now separating.",
    step = "upload", share = 1,
    when = "The service accepted the upload: from now on there is a task_id." },
  { name = "resumed", sentence = "Resuming the task.",
    step = "upload", share = 1,
    when = "A job of a batch continues a task that is paid for: an earlier "
      .. "run's, or that of a file with the same content." },
  { name = "polled", fields = "status attempt next_in",
    sentence = "Separating[ ({status})].", step = "wait", share = 0,
    when = "A poll was answered.  next_in: seconds until the next." },
  { name = "run_ready", fields = "message",
    sentence = "Separated.", step = "wait", share = 1,
    when = "The task succeeded: from now on there is a run_id.  message: a "
      .. "remark of the service." },
  { name = "download_started", fields = "stem",
    sentence = "Downloading the {stem}.", step = "download", share = 0,
    when = "The download of a stem begins." },
  { name = "download_progress", fields = "stem bytes total",
    sentence = "Downloading the {stem}[ {percent} %].", step = "download",
    when = "Bytes of a stem arrived; at most ten events a second, and one at "
      .. "the end." },
  { name = "downloaded", fields = "stem path bytes",
    sentence = "Downloaded the {stem}.", step = "download", share = 1,
    when = "A stem is complete under its final name." },
  { name = "retrying", fields = "step reason attempt next_in gives_up_in stem",
    sentence = "Retrying[ in {next_in} s]: {reason}.",
    when = "An attempt failed; the next one starts in next_in seconds.  "
      .. "gives_up_in: seconds after which a batch no longer waits for a "
      .. "service that refuses all or is away.  step: "
      .. '"submit", "poll", "result", "download", "deliver" (to S3), '
      .. '"confirm", "source" or "store".' },
  { name = "warning", fields = "message", sentence = "Warning: {message}.",
    when = "A guarantee is weaker than usual, such as on a file system "
      .. "without fsync, or stems go elsewhere than the call says, as their "
      .. "store has it.  Sent once." },
  { name = "finished", fields = "stems", sentence = "The stems are ready.",
    when = "A call of separate, or a job of a batch, succeeded." },
  { name = "failed", fields = "error", sentence = "Failed: {error}.",
    when = "The call, or the job, ended with an error." },
  { name = "planned", is_of_command = true, sentence = "Planned: {state}.",
    fields = "state reason duration rate channels codec",
    when = 'From --dry-run, of each source.  state: "new" (it would be '
      .. 'sent), "done", "resumes" (it is paid for, or has the content of '
      .. 'another file that would be sent), "failed", "refused" or "remains" '
      .. '(beyond a limit).' },
  { name = "left_out", fields = "reason", sentence = "Left out: {reason}.",
    when = "A file of a folder is not a source of the batch: the service does "
      .. "not accept it, it is hidden, no file or not named like a recording, "
      .. "or it is a link to a folder.  From the command, also of a file that "
      .. "is named twice." },
  { name = "unfinished", is_of_command = true, sentence = "Unfinished.",
    when = "A signal ended the command before the file was done: the same line "
      .. "resumes it." },
  { name = "summary", is_of_command = true,
    sentence = "{done} done, {failed} failed.",
    fields = "done done_before failed elsewhere left_out remaining unfinished "
      .. "minutes seconds",
    when = "The last event of the command.  done_before: those of done whose "
      .. "stems earlier runs have made; elsewhere: files that other "
      .. "workers of the store did; remaining: those that a limit kept from "
      .. "being sent; unfinished: those that a signal did; minutes: of audio, "
      .. "as far as is known; seconds: of time." },
}
