locals {
  a = [1, 2
}
source "http" "a" {
  url = "${var.x"
}
