# As /etc/tidegate/main.hcl.

tidegate {
  # Named here, so that "tidegate status /etc/tidegate" finds it as well as the service does.
  state "local" {
    path = "/var/lib/tidegate/state.db"
  }
}

variable "config_token" {
  type        = string
  sensitive   = true
  description = "TIDEGATE_VAR_config_token in /etc/tidegate/environment"
}

source "http" "app" {
  url          = "https://config.example.com/myapp.json"
  bearer_token = var.config_token
}

sink "file" "app" {
  path    = "/etc/myapp/config.json"
  content = jsonencode(source.http.app.value)
  mode    = "0640"
}
