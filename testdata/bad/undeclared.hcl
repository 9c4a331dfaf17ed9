locals {
  host = "a"
  a    = local.hots
  b    = var.host
  c    = source.http.app.value
  d    = sink.file.out.path
}
source "htpp" "app" {
  url = "http://a/"
}
source "file" "app" {
  path = "a.json"
}
sink "file" "out" {
  path      = "out.json"
  content   = source.file.ap.text
  rules     = [rule.assert.sane]
  on_remove = "keep"
}
