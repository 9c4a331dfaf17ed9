locals {
  base  = lenght("x")
  one   = local.base + 1
  two   = [local.one, local.base]
  three = join(",", local.two)
}
sink "file" "a" {
  path    = "a"
  content = local.three
}
sink "file" "b" {
  path    = "b"
  content = local.missing
}
sink "file" "c" {
  path    = sink.file.b.path
  content = jsonencode(local.two)
}
output "three" {
  value = local.three
}
