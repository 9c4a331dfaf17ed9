# Two files become one, for as long as the daemon runs: a change of either is noticed at once,
# checked, written, and announced.

source "file" "defaults" {
  path = "defaults.yaml"
}

source "file" "site" {
  path  = "site.json"
  rules = [rule.assert.sane]
}

rule "assert" "sane" {
  assertion {
    condition     = value.timeout_seconds >= 1 && value.timeout_seconds <= 300
    error_message = "timeout_seconds must be from 1 to 300, got ${value.timeout_seconds}."
  }
}

# Whoever edits the file by hand finds it restored: on_drift = "repair" is the default.
sink "file" "settings" {
  path        = "out/settings.json"
  content     = jsonencode(merge(source.file.defaults.value, source.file.site.value))
  create_dirs = true
}

# Runs once after a burst of changes: when nothing moved for half a second, or after five.
sink "exec" "reload" {
  command  = ["sh", "reload.sh"]
  triggers = [sink.file.settings]
  settle {
    min = "500ms"
    max = "5s"
  }
}
