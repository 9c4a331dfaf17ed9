# One service's settings: a checked-in default, and what the operators set.

variable "service" {
  type    = string
  default = "https://config.example.com/app/settings.json"
}

source "file" "defaults" {
  path = "defaults.yaml"
}

source "http" "settings" {
  url      = var.service
  fallback = {}
}

rule "assert" "sane" {
  assertion {
    condition     = try(value.timeout_seconds, 10) >= 1 && try(value.timeout_seconds, 10) <= 300
    error_message = "timeout_seconds must be from 1 to 300."
  }
}

sink "file" "app" {
  path        = "out/app.json"
  content     = jsonencode(merge(source.file.defaults.value, source.http.settings.value))
  rules       = [rule.assert.sane]
  create_dirs = true
}
