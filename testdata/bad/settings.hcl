tidegate {
  required_version = ">= 99"
  require_version  = "1"
  listener {}
  listener {}
  state { path = "x" }
  paths {
    read  = [var.a, "/etc"]
    write = "x"
  }
  stat "local" {}
}
