detector "hash" "often" {
  interval = "1ms"
}
source "file" "app" {
  path     = "app.json"
  interval = "20ms"
}
source "http" "both" {
  url       = "http://a/a.json"
  interval  = "10s"
  detectors = [detector.hash.often]
}
source "static" "once" {
  value    = 1
  interval = "10s"
}
