variable "port" {
  type    = number
  default = -1

  validation {
    condition     = var.port > 0
    error_message = "port must be positive, got ${var.port}."
  }
  validation {
    condition     = var.port % 2 == 0
    error_message = "port must be even."
  }
}
variable "name" {
  default = "x"

  validation {
    condition     = length(var.name) > 3
    error_message = "The name ${var.name} is too short."
  }
  validation {
    condition     = local.names[var.name]
    error_message = "Unknown name."
  }
}
variable "token" {
  default   = "hunter2"
  sensitive = true

  validation {
    condition     = length(var.token) > 20
    error_message = "The token ${var.token} is too short."
  }
}
variable "broken" {
  default = 1

  validation {
    condition     = "maybe"
    error_message = "no"
  }
}
