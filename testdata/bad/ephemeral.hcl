variable "token" {
  type      = string
  ephemeral = true
}
sink "http" "hook" {
  url          = "https://x.example.com/"
  bearer_token = var.token
}
output "token" {
  value = var.token
}
