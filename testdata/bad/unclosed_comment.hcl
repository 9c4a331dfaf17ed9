locals {
  a = 1
}

/* The rest is for later.
locals {
  b = 2
}
