source "file" "app" {
  path = "a.json"
}
locals {
  name = local.nmae
}
