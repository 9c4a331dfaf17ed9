locals {
  name = "app
  port = 80
}
