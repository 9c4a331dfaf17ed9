module "a" {
  source = "./missing"
}
module "b" {
}
module "c" {
  source = "${local.dir}/x"
}
locals {
  dir = module.d.value
}
module "e" {
  sorce = "./m"
}
