-- wrk script: POST the file that the first argument names, with the headers that the others give as "Name: value".
function init(args)
  local file = assert(io.open(args[1], "rb"))
  wrk.method, wrk.body = "POST", file:read("*a")
  file:close()
  for i = 2, #args do
    local name, value = args[i]:match("^(.-): (.*)$")
    wrk.headers[name] = value
  end
end

function done(summary, latency, _)
  local e = summary.errors
  print(string.format("measured requests=%d us=%d p50=%d p99=%d max=%d refused=%d broken=%d", summary.requests,
    summary.duration, latency:percentile(50), latency:percentile(99), latency.max, e.status,
    e.connect + e.read + e.write + e.timeout))
end
