locals {
  a = 5 local.b
  b = if true then 1 else 2
  c = local.a == 1 and local.b == 2
  d = local.a === 2
  e = local.a ?? "x"
}
