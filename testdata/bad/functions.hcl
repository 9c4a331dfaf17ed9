locals {
  name   = lowr("APP")
  few    = join(",")
  many   = upper("a", "b")
  wrong  = length(5)
  inside = [for x in ["a"] : uper(x)]
  time   = timestamp()
  broken = jsondecode("{")
  regex  = regex("(", "a")
}
