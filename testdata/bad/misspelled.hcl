source "file" "s" {
  pth = "x"
}
sink "file" "o" {
  path   = "y"
  contnt = source.file.s.value
}
sink "http" "h" {
  url  = "http://127.0.0.1/"
  body = "x"
  retry {
    atempts = 2
  }
}
moved {
  form = sink.file.a
  to   = sink.file.o
}
moved {
  from = sink.fil.a
  to   = sink.file.o
}
output "x" {
  valeu = 1
}
rule "assert" "r" {
  assertion {
    condition     = true
    error_mesage = "x"
  }
}
variable "v" {
  type = string
  validation {
    conditon      = true
    error_message = "m"
  }
}
