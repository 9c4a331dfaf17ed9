# A value is pushed to the daemon: checked, durable before the sender is answered, and written.

variable "hook_secret" {
  type        = string
  sensitive   = true
  description = "signs what is pushed; at least 24 bytes"
}

tidegate {
  listener {
    address = "127.0.0.1:8420"
  }
}

source "webhook" "flags" {
  config_name = "feature-flags"
  secrets     = [var.hook_secret]
  rules       = [rule.assert.booleans]

  # Until the first push.
  fallback = { dark_mode = false }
}

rule "assert" "booleans" {
  assertion {
    condition     = alltrue([for name, on in value : can(tobool(on))])
    error_message = "Every flag must be true or false, got ${jsonencode(value)}."
  }
}

sink "file" "flags" {
  path        = "out/flags.json"
  content     = jsonencode(source.webhook.flags.value)
  create_dirs = true
}
