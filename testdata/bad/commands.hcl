sink "exec" "a" {
  command = "systemctl reload app"
}
sink "exec" "b" {
  command = []
}
sink "exec" "c" {
  command       = ["true", null]
  success_codes = [300]
}
