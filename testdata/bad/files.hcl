locals {
  text = file("missing.txt")
  out  = file("/etc/passwd")
  tmpl = templatefile("missing.tmpl", {})
}
