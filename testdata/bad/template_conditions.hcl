locals {
  on    = true
  other = "%{ if local.on }a%{ else }b%{ else }c%{ endif }"
  stray = "x%{ endif }"
}
