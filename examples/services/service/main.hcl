variable "name" {
  type = string
}

variable "settings" {
  type = object({
    port = number
    env  = optional(map(string), {})
  })

  validation {
    condition     = var.settings.port > 1024 && var.settings.port < 65536
    error_message = "The port of ${var.name} is ${var.settings.port}, and services have one from 1025 on."
  }
}

sink "file" "config" {
  path        = "${path.root}/out/${var.name}.env"
  content     = envencode(merge({ PORT = tostring(var.settings.port) }, var.settings.env))
  create_dirs = true
  on_destroy  = "delete"
}

output "path" {
  value = sink.file.config.path
}

output "port" {
  value = var.settings.port
}
