source "file" "app" {
  path = "a.json"
  path = "b.json"
}
locals {
  a = 1
}
locals {
  a = 2
}
source "file" "app" {
  path = "c.json"
}
