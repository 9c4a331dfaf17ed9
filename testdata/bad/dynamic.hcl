locals {
  names = ["a"]
}
rule "assert" "a" {
  dynamic "asertion" {
    for_each = local.names
    content {}
  }
  dynamic "assertion" {
    for_each = 5
    content {
      condition     = value[assertion.value]
      error_message = "no"
    }
  }
  dynamic "assertion" {
    for_each = local.name
    iterator = "each"
    content {
      condition     = true
      error_message = "no"
    }
  }
}
