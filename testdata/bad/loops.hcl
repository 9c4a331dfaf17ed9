locals {
  many  = range(1000)
  bomb  = [for a in local.many : [for b in local.many : [for c in local.many : 1]]]
  wide  = format("%999999999d", 1)
  power = pow(10, 1000000)
}
