# Every line that is wrong ends with what must be said of it, and nothing else is complained about.

detector "etag" "fast" {
  interval = "10ms" # "10ms" is too short
  jitter   = 2      # not a share
  adaptive {
    min = "5m" # longer than max
    max = "1m"
  }
}

rate_limit "sliding_window" "gentle" {
  max = 0      # lets nothing pass
  per = "soon" # is no duration
}

source "http" "app" {
  url          = "ftp://config.example.com" # scheme "ftp" is not supported
  method       = "FETCH"                    # one of "GET", "POST"
  bearer_token = "a\nb"                     # line break
  max_bytes    = -1                         # lets nothing through
  retry {
    attempts = 0    # first try counts
    min      = "5s" # longer than max
    max      = "1s"
  }
}

source "static" "x" {
  value    = 1
  interval = "1m" # read once
}

# What comes from a source is not known, and neither hides nor makes mistakes.
sink "file" "app" {
  path    = "app/"                               # names a directory
  content = jsonencode(source.http.app.value)
  mode    = "rw"                                 # no octal number
  contens = 1                                    # "contens" is not expected
}

sink "http" "app" {
  url           = "http://${source.http.app.value.host}/"
  headers       = { "bad name" = "x", "Content-Length" = "1" } # "bad name" cannot be || "Content-Length" is written by the connection
  success_codes = [99]                                         # 99 cannot be the status
  tls {
    cert_file = "c.pem" # set key_file too
  }
}

sink "http" "unsure" {
  url = "https://example.com"
  tls {
    cert_file = "c.pem"
    key_file  = source.http.app.value.key
  }
  retry {
    min = "5s"
    max = source.http.app.value.patience
  }
}

sink "exec" "app" {
  command = ["systemctl reload app", local.nothing] # local.nothing is not declared
  env     = { "A=B" = "x" }                         # no name of a variable
  dir     = local.a
}

# A cycle stops nobody but those on it.
locals {
  a = local.b # local.a -> local.b -> local.a
  b = local.a
  c = "${local.a}" + nope() # no function named "nope"
}

sink "file" "behind" {
  path    = "behind.txt"
  content = local.a
  mode    = "7777" # beyond "0777"
}

sink "file" "one" {
  path    = "one.txt"
  content = local.a
}

sink "file" "other" { # both write
  path    = "x/../one.txt"
  content = source.static.x.text
}
