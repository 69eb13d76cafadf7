-- Inputs by target that a person would begin with; what the first bytes of an
-- input stand for is said in the target.

local function each(list, change)
  local out = {}
  for index, value in ipairs(list) do
    out[index] = change(value)
  end
  return out
end

-- range: a file of a thousand bytes.
local function range(header)
  return string.pack("<I8B", 1000, 0) .. header
end

local ranges = each({ "bytes=0-99", "bytes=500-", "bytes=-1", "bytes=999-2000",
  "bytes=1000-", "bytes=-0", "bytes=0-0,2-3", "bytes=18446744073709551615-",
  "bytes=0-18446744073709551616", "lines=1-2" }, range)

local retry_after = each({ "0", "120", "Sun, 06 Nov 2094 08:49:37 GMT",
  "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 2094", "-1", "1.5",
  "99999999999999999999", "2094-11-06T08:49:37Z", "2094-11-06 08:49:37.5+0200",
  "1732831200", "1732831200000", "120 s", "7.5s" }, function(value)
  return "\0" .. value
end)
for form = 1, 7 do
  for _, seconds in ipairs { 0, 1, 9999999, 10000100, 20000000 } do
    retry_after[#retry_after + 1] = string.pack("<BI4", form, seconds)
  end
end

local function reply(lines)
  return (lines:gsub("\n", "\r\n"))
end

local replies = each({
  "HTTP/1.1 200 OK\nContent-Length: 2\nContent-Type: application/json\n\n{}",
  "HTTP/1.1 206 Partial\nContent-Range: bytes 5-9/10\nETag: \"a\"\n"
    .. "Content-Length: 5\n\n56789",
  "HTTP/1.1 200 OK\nRepr-Digest: sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG"
    .. "3hSuFU=:\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\n\nto the end",
  "HTTP/1.1 503 Busy\nRetry-After: 7\nContent-Length: 3\n\nno\n",
  "HTTP/1.1 302 Found\nLocation: http://other.example/\nContent-Length: 0\n\n",
  "HTTP/1.1 100 Continue\n\nHTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n"
    .. "2\n{}\n0\nETag: W/\"b\"\n\n",
  "HTTP/1.1 200 OK\nContent-Encoding: deflate\n\n\120\156\3\0\0\0\0\1",
  "HTTP/1.0 404 No\n\n" .. ("x"):rep(5000),
  "HTTP/1.1 200 OK\nETag: \"a\rX-Injected: b\"\nContent-Length: 0\n\n",
  "HTTP/2 200\nETag: " .. ("e"):rep(200) .. "\n\n",
}, reply)

-- form: how it is cut does not matter for a seed.
local function form(lines)
  return "\0\1\2\3\4" .. reply(lines)
end

local function part(head, body)
  return "--cut\nContent-Disposition: form-data; " .. head .. "\n\n" .. body
    .. "\n"
end

local media = part('name="media_file"; filename="a.wav"\n'
  .. "Content-Type: audio/wav", "RIFF\0\0\r\n-\r\n--cu")

local forms = each({
  media .. "--cut--\n",
  part('name="folder_id"', "7") .. media .. "--cut--\n",
  media .. media .. part('name="project_name"', "caf\u{e9}") .. "--cut--\n",
  part('name="a"; filename="b.txt"', "text") .. "--cut--\n",
  part('name="a"', ("v"):rep(5000)) .. "--cut--\n",
  part('name="media_file"; filename=""', "") .. "--cut--\n",
  "preamble\n" .. part("name=bare", "") .. "--cut--\nepilogue",
  "--cut\nContent-Type: multipart/mixed; boundary=in\n\n--in\n\nx\n--in--\n"
    .. "--cut--\n",
  media,
  part('name="a"', "\255 is no text") .. media .. "--cut--\n",
  "--cut--\n",
}, form)
for count = 0, 3 do
  forms[#forms + 1] = string.pack("<BI4B", 1, 12345, count)
    .. ("\5a\nb-\r"):rep(count) .. "the file\r\n--"
end

-- container: a file, or what the frames of one are made of.
local containers = each({ "fLaC\128\0\0\34" .. ("\0"):rep(34),
  "RIFF\36\0\0\0WAVEfmt \16\0\0\0" .. ("\1"):rep(16) .. "data\8\0\0\0"
    .. ("x"):rep(8),
  "RF64\255\255\255\255WAVEds64\28\0\0\0" .. ("\1"):rep(28) .. "data",
  "\255\241\80\128\1\31\252\0\255\241\80\128\1\31\252\0",
  "\255\251\144\100" .. ("\0"):rep(413) .. "\255\251\144\100",
  "\0\0\0\8ftyp\0\0\0\8moov\0\0\0\8mdat",
  "OggS\0\6" .. ("\0"):rep(20) .. "\1\16\1vorbis" .. ("\1"):rep(9),
}, function(bytes)
  return "\0\7" .. bytes
end)
containers[#containers + 1] = "\1\7\3\0" .. ("sound"):rep(200)
containers[#containers + 1] = "\1\99\15\1" .. ("\0\255"):rep(200)

return {
  container = containers,
  url = { "https://client.camb.ai/apis", "http://127.0.0.1:8080/a?b=c#d",
    "http://[::1]:80/", "HTTPS://user:password@Host.EXAMPLE:443/",
    "ftp://host/", "file:///etc/passwd", "//host/", "http:host", "http://",
    "http://a%2fb/", "http://a%7fb/", "http://%33/", "http://a:99999/",
    "http://a:b@c:d@e/", "http://a\\@b/", "http://[fe80::1%25eth0]/",
    "http://0x7f.1/", "http://a\r\nb/", "javascript:alert(1)",
    "http://xn--caf-dma.example/" },
  format = { "fLaC\0\0\0\34\16\0\16\0", "RIFF\36\0\0\0WAVEfmt \16\0\0\0",
    "RF64\255\255\255\255WAVEds64", "BW64\0\0\0\0WAVE", "\255\251\144\100\0\0",
    "\255\241\80\128\2\31\252", "ADIF\0", "\0\0\0\32ftypM4A \0\0\0\0",
    "OggS\0\2", "ID3\4\0\0\0\0\0\4\0\0\0\0fLaC\0\0\0\34",
    "ID3\3\0\16\0\0\0\0" .. ("\0"):rep(10) .. "\255\251\144\100" },
  range = ranges,
  target = { "/apis/audio-separation/a%2Fb?run_id=7", "/?expires=1&signature=2",
    "http://host/path?a=b&c=%41+d", "http://host", "http://host?a", "*",
    "/a?b?c", "%", "%4", "%00", "+9223372036854775807", "-9223372036854775809" },
  retry_after = retry_after,
  reply = replies,
  form = forms,
  results = { '{"run_ids":[5000]}', '{"run_ids":[1,"5000",5000.0]}',
    '{"run_ids":[1.5,null,true,{}]}', '{"run_ids":{}}', '{"run_ids":[]}', "{}",
    "[]", "null", '"a"', "", "{", '{"run_ids":[99999999999999999999]}',
    '{"run_ids":["-9223372036854775808",1e300,-1e15]}', "\239\187\191{}",
    ("["):rep(3000), '{"run_ids":[5000],"run_ids":[1]}', '{"a":"\\ud800"}' },
  task = { '{"task_id":"a","status":"SUCCESS","run_id":5000,'
      .. '"foreground":"fg.flac","background":"bg.flac"}',
    '{"task_id":"b","status":"PENDING","input":"input.wav","size":7,'
      .. '"file_name":"a.wav","content_type":"audio/wav","created":1.5,'
      .. '"sha256":"' .. ("0a"):rep(32) .. '","fields":{"folder_id":"7"}}',
    '{"task_id":"c","status":"ERROR","run_id":null,"exception_reason":"X",'
      .. '"message":"m"}',
    '{"task_id":"d","status":"SUCCESS","run_id":-1}',
    '{"task_id":"e","status":"SUCCESS","foreground":"../x","input":".y"}',
    '{"task_id":1}', "{}", "[]", "" },
  weights = { "\0", "\0\0\0\0\0\16\0\0\0\1\0\0\0", "\1\1\0\0\0",
    "\1\0\0\0\0\12\0\0\0\255\0\0\0\15\0\0\0\127\0\0\0",
    "\1\0\0\0\0\0\0\0\0\1\0\0\0", "\0\144\208\3\0" },
}
