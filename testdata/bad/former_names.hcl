# What Terraform had once, with what is written instead.
variable "text" {
  type    = "string"
  default = "x"
}
variable "names" {
  type    = "list"
  default = []
}
variable "odd" {
  type    = "strin"
  default = "x"
}
locals {
  list = list("a", "b")
  map  = map("a", 1)
  all  = [for x in ["a"] : list(x)]
}
output "all" {
  value = [local.list, local.map, local.all, var.text, var.names, var.odd]
}
