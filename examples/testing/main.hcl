# What tests are good for: a limit that is a variable, a rule, a rate limit, and a service that
# is asked over the network. main.test.hcl says what is to become of all that.

variable "service" {
  type    = string
  default = "https://config.example.com/limits.json"
}

variable "most" {
  type    = number
  default = 300

  validation {
    condition     = var.most >= 1
    error_message = "most must be at least 1, got ${var.most}."
  }
}

rule "assert" "sane" {
  assertion {
    condition     = value.timeout_seconds >= 1 && value.timeout_seconds <= var.most
    error_message = "timeout_seconds must be from 1 to ${var.most}, got ${value.timeout_seconds}."
  }
}

rate_limit "sliding_window" "gentle" {
  max = 1
  per = "1m"
}

source "file" "defaults" {
  path = "defaults.yaml"
}

source "http" "limits" {
  url   = var.service
  rules = [rule.assert.sane]
}

sink "file" "settings" {
  path        = "out/settings.json"
  content     = jsonencode(merge(source.file.defaults.value, source.http.limits.value))
  create_dirs = true
  rate_limits = [rate_limit.sliding_window.gentle]
}

sink "exec" "reload" {
  command  = ["systemctl", "reload", "myapp"]
  triggers = [sink.file.settings]
}
