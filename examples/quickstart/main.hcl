# Two files become one: defaults.yaml is what a service comes with, site.json is what this
# site wants instead. The merged settings are checked, written, and announced.

source "file" "defaults" {
  path = "defaults.yaml"
}

source "file" "site" {
  path  = "site.json"
  rules = [rule.assert.sane]
}

# A site.json that does not satisfy this is rejected, and nothing changes.
rule "assert" "sane" {
  assertion {
    condition     = can(regex("^https?://", value.api_url))
    error_message = "api_url must be an http(s) URL, got ${try(value.api_url, "nothing")}."
  }
  assertion {
    condition     = value.timeout_seconds >= 1 && value.timeout_seconds <= 300
    error_message = "timeout_seconds must be from 1 to 300, got ${value.timeout_seconds}."
  }
}

locals {
  settings = merge(source.file.defaults.value, source.file.site.value)
}

sink "file" "settings" {
  path        = "out/settings.yaml"
  content     = yamlencode(local.settings)
  create_dirs = true
}

# Runs after each write of the file. In earnest it would be ["systemctl", "reload", "myapp"].
sink "exec" "reload" {
  command  = ["sh", "reload.sh"]
  triggers = [sink.file.settings]
}

output "api_url" {
  value = local.settings.api_url
}
