variable "given" { type = number }
variable "port" {
  default = 70000
  validation {
    condition     = var.port <= 65535
    error_message = "The port ${var.port} is larger than 65535."
  }
  validation {
    condition     = var.port != 70000
    error_message = "Not 70000."
  }
}
variable "secret" {
  sensitive = true
  default   = "hunter2"
  validation {
    condition     = length(var.secret) > 20
    error_message = "Too short: ${var.secret}."
  }
}
variable "other" {
  default = 1
  validation {
    condition     = local.x > 1
    error_message = "No."
  }
  validation {
    condition     = "maybe"
    error_message = "No."
  }
}
locals { x = 1 }
