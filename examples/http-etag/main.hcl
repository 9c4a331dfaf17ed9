# A service says over HTTP what an application is to use. The answer is kept in a file, and
# the application reloads when the file was written.

variable "url" {
  type        = string
  default     = "http://localhost:8080/myapp.json"
  description = "Where the service answers with JSON."
}

# Asks with the ETag of the last answer: as long as nothing changed, the service sends 304
# and no body. The interval counts for a process that keeps looking; plan and apply look at
# once.
detector "etag" "steady" {
  interval = "10s"
}

rule "assert" "sane" {
  assertion {
    condition     = can(regex("^https?://", value.api_url))
    error_message = "api_url must be an http(s) URL, got ${try(value.api_url, "nothing")}."
  }
}

# However often the service changes its mind, no more than ten values a minute are accepted.
rate_limit "sliding_window" "gentle" {
  max = 10
  per = "1m"
}

source "http" "app" {
  url         = var.url
  timeout     = "5s"
  detectors   = [detector.etag.steady]
  rules       = [rule.assert.sane]
  rate_limits = [rate_limit.sliding_window.gentle]

  # Stands in while no answer was ever accepted.
  fallback = {
    api_url         = "http://localhost:8000"
    timeout_seconds = 30
  }
}

sink "file" "app" {
  path        = "out/myapp.json"
  content     = "${jsonencode(source.http.app.value)}\n"
  mode        = "0640"
  create_dirs = true
}

# In earnest: command = ["systemctl", "reload", "myapp"]
sink "exec" "reload" {
  command  = ["sh", "reload.sh"]
  triggers = [sink.file.app]
}
