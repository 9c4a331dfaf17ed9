variable "a" {
  type = "strng"
}
variable "b" {
  type = list
}
variable "c" {
  type = object({ a = string, b = optional(number, "many") })
}
variable "d" {
  type    = number
  default = "many"
}
variable "e" {
  type    = string
  default = upper("a")
}
variable "f" {
  nullable = false
  default  = null
}
variable "g" {
  type      = string
  sensitive = "yes please"
  requried  = true
}
