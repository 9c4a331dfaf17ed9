check "empty" {}
check "a" {
  assert {
    condition = lenght(local.names) > 0
  }
}
check "b" {
  assert {
    condition     = local.names
    error_message = "no"
  }
}
check "b" {}
