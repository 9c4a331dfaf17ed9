locals {
  list = [
    "a"
    "b"
  ]
}
