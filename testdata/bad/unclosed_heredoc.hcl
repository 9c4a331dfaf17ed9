locals {
  text = <<EOT
    Hello ${local.name}
  EOF
}
