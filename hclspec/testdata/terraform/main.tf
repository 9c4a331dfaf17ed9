# What the expressions beside this file may refer to.

variable "secret" {
  type      = string
  default   = "s3cret"
  sensitive = true
}

resource "terraform_data" "later" {}

locals {
  unknown        = terraform_data.later.output
  unknown_string = tostring(terraform_data.later.output)
  unknown_number = tonumber(terraform_data.later.output)
  unknown_bool   = tobool(terraform_data.later.output)
  unknown_list   = split(",", tostring(terraform_data.later.output))
  unknown_set    = toset(split(",", tostring(terraform_data.later.output)))
  unknown_map    = zipmap(split(",", tostring(terraform_data.later.output)), split(",", tostring(terraform_data.later.output)))
  partly         = ["a", tostring(terraform_data.later.output)]
  partly_list    = tolist(["a", tostring(terraform_data.later.output)])
  partly_map     = { a = "x", b = tostring(terraform_data.later.output) }
  secret         = var.secret
  secret_number  = sensitive(4)
  secret_list    = ["a", var.secret]
  secret_map     = { a = "x", b = var.secret }
  secret_whole   = sensitive({ a = "x" })

  template_text = "Hello, $${name}!"
  template_one  = "$${v}"
  template_loop = "%%{ for x in list }$${x};%%{ endfor }"
  template_bad  = "$${"
  template_self = "$${templatestring(\"x\", {})}"
}
