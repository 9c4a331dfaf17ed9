output "a" {}
output "b" {
  value      = 1
  sensitive  = "perhaps"
  depends_on = [sink]
  precondition {
    condition = true
  }
}
