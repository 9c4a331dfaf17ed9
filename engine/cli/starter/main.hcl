# A first configuration. It takes settings.json, checks it, and keeps a file for an
# application in step with it:
#
#   tidegate plan      shows what would change
#   tidegate apply     makes it so
#
# Then edit settings.json and plan again.

# Where the value comes from. It may as well be a URL: source "http".
source "file" "settings" {
  path  = "settings.json"
  rules = [rule.assert.sane]
}

# What a new value must satisfy to be accepted. One that does not changes nothing.
rule "assert" "sane" {
  assertion {
    condition     = can(regex("^https?://", value.api_url))
    error_message = "api_url must be an http(s) URL."
  }
  assertion {
    condition     = value.timeout_seconds >= 1 && value.timeout_seconds <= 300
    error_message = "timeout_seconds must be from 1 to 300, got ${value.timeout_seconds}."
  }
}

locals {
  app = merge(source.file.settings.value, { managed_by = "tidegate" })
}

# Where it goes. The file is replaced as a whole or not at all.
sink "file" "app" {
  path    = "app.json"
  content = "${jsonencode(local.app)}\n"
}

output "api_url" {
  value = local.app.api_url
}
