source "file" "in" {
  path = "app.json"
}
locals {
  app = merge(source.file.in.value, { more = true })
}
sink "file" "out" {
  path    = "app.json"
  content = jsonencode(local.app)
}
