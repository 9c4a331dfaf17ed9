source "file" "app" {
  path = "b.json"
}
locals {
  name = "x"
  port = local.name.port
}
