variable "password" {
  sensitive = true
}
locals {
  url = "postgres://app:${var.password}@db/app"
}
output "url" {
  value = local.url
}
