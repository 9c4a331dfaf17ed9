locals {
  sum   = "a" + 1
  both  = true && "maybe"
  which = "yes" ? 1 : 2
  mixed = true ? [1] : "a"
  deep  = { a = 1 }.b
  index = ["a"][3]
  key   = { a = 1 }["c"]
  null  = null.x
  not   = !"a"
}
