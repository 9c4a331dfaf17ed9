variable "a" {
  type    = number
  default = "ten"
}
variable "b" {
  type = strin
}
variable "c" {
  default = var.a
}
variable "d" {
  type    = object({ x = optional(number, 1), y = string })
  default = { y = { z = 1 } }
}
variable "e" {
  nullable = false
  default  = null
}
variable "f" {
  sensitiv = true
  validation {
    condition = true
  }
}
variable "g" {
  type = list
}
variable "h" {
  type = "string"
}
