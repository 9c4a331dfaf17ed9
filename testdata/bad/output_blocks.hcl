output "a" {
}
output "b" {
  value = local.nothing
  sensitive = "no"
}
output "c d" {
  value = 1
}
output {
  value = 1
}
