locals {
  hosts = ["a", "b"]
  text  = "%{ for h in local.hosts }${h} "
}
