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
    when = "A batch with a store knew another recording under this path: this "
      .. "one is a new job." },
  { name = "upload_started", fields = "total filename",
    when = "The upload begins.  total: bytes of the file, if known." },
  { name = "upload_progress", fields = "bytes total",
    when = "Bytes were sent; at most ten events a second, and one at the "
      .. "end." },
  { name = "submitted",
    when = "The service accepted the upload: from now on there is a task_id." },
  { name = "polled", fields = "status attempt next_in",
    when = "A poll was answered.  next_in: seconds until the next." },
  { name = "run_ready", fields = "message",
    when = "The task succeeded: from now on there is a run_id.  message: a "
      .. "remark of the service." },
  { name = "download_started", fields = "stem",
    when = "The download of a stem begins." },
  { name = "download_progress", fields = "stem bytes total",
    when = "Bytes of a stem arrived; at most ten events a second, and one at "
      .. "the end." },
  { name = "downloaded", fields = "stem path bytes",
    when = "A stem is complete under its final name." },
  { name = "retrying", fields = "step reason attempt next_in stem",
    when = "An attempt failed; the next one starts in next_in seconds.  step: "
      .. '"submit", "poll", "result", "download", "source" or "store".' },
  { name = "warning", fields = "message",
    when = "A guarantee is weaker than usual, such as on a file system "
      .. "without fsync.  Sent once." },
  { name = "finished", fields = "stems",
    when = "A call of separate, or a job of a batch, succeeded." },
  { name = "failed", fields = "error",
    when = "The call, or the job, ended with an error." },
}
