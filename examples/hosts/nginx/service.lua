--- nginx (OpenResty, or Debian's libnginx-mod-http-lua): an upload service in
--- its workers; see nginx.conf beside it.
---
---   curl --data-binary @take.wav http://localhost:8080/separate

local camb = require "camb"

local service = {}

local client -- of this worker

--- For init_worker_by_lua.
function service.init()
  client = camb.client({ loop = require "camb.loop.ngx" })
end

--- For content_by_lua: answers with the paths of the stems below /stems/.
---@param folder string # where they are kept
function service.separate(folder)
  ngx.req.read_body()
  local path = ngx.req.get_body_file()
  local stems, err = client:separate(path
    or { data = ngx.req.get_body_data() or "" },
    { output_dir = folder, name = ngx.var.request_id }) -- nobody guesses it
  if not stems then
    ngx.status = err.kind == "source" and 415 or 502
    ngx.say(err.message)
    return
  end
  for _, stem in ipairs { stems.foreground, stems.background } do
    ngx.say("/stems/", stem:match "[^/]+$")
  end
end

return service
