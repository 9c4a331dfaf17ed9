# A module for one service's configuration, instantiated for each service of a YAML file.

source "file" "services" {
  path = "services.yaml"
}

module "service" {
  source   = "./service"
  for_each = source.file.services.value
  name     = each.key
  settings = each.value
}

# All instances of a module are one value.
sink "file" "index" {
  path        = "out/index.json"
  content     = "${jsonencode({ for name, s in module.service : name => s.port })}\n"
  create_dirs = true
}

output "files" {
  value = [for s in module.service : basename(s.path)]
}
