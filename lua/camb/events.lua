--- The one table of events: what `on_event`, of a call or of a client, is
--- called with.  The reference is made of it, and a spec holds the events of
--- whole runs against it.

---@class camb.EventKind
---@field name string
---@field when string    # a sentence
---@field fields string? # beside name, time, source, task_id and run_id

---@type camb.EventKind[]
return {
  { name = "changed",
    when = "A batch with a store knew another recording under the path of "
      .. "this one, which is a new job." },
  { name = "upload_started", fields = "total filename",
    when = "The upload begins.  total: bytes of the file, if known." },
  { name = "upload_progress", fields = "bytes total",
    when = "Bytes were sent.  At most ten times a second, and once at the "
      .. "end." },
  { name = "submitted",
    when = "The service accepted the upload: from now on there is a task_id." },
  { name = "polled", fields = "status attempt next_in",
    when = "A poll was answered.  next_in: seconds until the next." },
  { name = "run_ready", fields = "message",
    when = "The task succeeded: from now on there is a run_id.  message: what "
      .. "the service remarks." },
  { name = "download_started", fields = "stem",
    when = "The download of a stem begins." },
  { name = "download_progress", fields = "stem bytes total",
    when = "Bytes of a stem came.  At most ten times a second, and once at "
      .. "the end." },
  { name = "downloaded", fields = "stem path bytes",
    when = "A stem is whole under its final name." },
  { name = "retrying", fields = "step reason attempt next_in stem",
    when = "An attempt failed and is repeated in next_in seconds.  step: "
      .. '"submit", "poll", "result", "download", "source" or "store".' },
  { name = "warning", fields = "message",
    when = "Something is weaker than it should be, such as a file system "
      .. "without fsync.  Told once." },
  { name = "finished", fields = "stems",
    when = "A call of separate, or a job of a batch, succeeded." },
  { name = "failed", fields = "error",
    when = "The call, or the job, ended with an error." },
}
