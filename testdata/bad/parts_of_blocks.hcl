source "file" "app" {
  path = "app.json"
}
locals {
  whole   = source.file.app
  address = source.file
  typo    = source.file.app.valu
  key     = source.file.app.port
  stale   = source.file.app.stale
  policy  = detector.hash.a
  word    = app
}
detector "hash" "a" {}
sink "file" "out" {
  path    = "out.json"
  content = source.file.app.value
}
