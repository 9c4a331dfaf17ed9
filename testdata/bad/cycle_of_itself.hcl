locals {
  greeting = "Hello ${local.greeting}"
}
sink "exec" "loop" {
  command  = ["true"]
  triggers = [sink.exec.loop]
}
