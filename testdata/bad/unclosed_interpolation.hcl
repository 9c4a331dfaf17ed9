locals {
  greeting = "Hello ${local.name"
}
