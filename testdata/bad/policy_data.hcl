source "file" "settings" {
  path = "settings.json"
}
locals {
  secret = source.file.settings.value.secret
}
detector "webhook" "now" {
  secrets = [local.secret]
}
detector "hash" "slow" {
  interval = source.file.settings.value.interval
}
rate_limit "sliding_window" "few" {
  max = source.file.settings.value.max
  per = "1m"
}
rate_limit "sliding_window" "each" {
  for_each = toset(source.file.settings.value.names)
  max      = 1
  per      = "1m"
}
source "file" "app" {
  path        = "app.json"
  detectors   = [detector.hash.slow, detector.webhook.now]
  rate_limits = [rate_limit.sliding_window.few]
}
sink "file" "out" {
  path    = "out.json"
  content = source.file.app.text
}
