locals {
  list    = ["a", "b"]
  no_in   = [for x local.list : x]
  no_body = [for x in local.list]
  arrow   = { for x in local.list : x }
  outside = [for x in local.list : y]
  same    = { for x in local.list : "key" => x }
  number  = [for x in 5 : x]
}
