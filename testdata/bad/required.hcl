variable "a" {}
variable "b" { type = number }
variable "c" { default = 1 }
