detector "hash" "calm" {}
rule "assert" "sane" {
  assertion {
    condition     = true
    error_message = "no"
  }
}
source "file" "app" {
  path       = "app.json"
  detectors  = ["detector.hash.calm"]
  rules      = rule.assert.sane
  depends_on = [source.file.app.value, upper("a")]
}
source "static" "x" {
  value     = 1
  detectors = [detector.hash.calm, rule.assert.sane]
}
