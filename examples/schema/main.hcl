# A JSON Schema decides what is an acceptable list of services.

rule "schema" "services" {
  path = "services.schema.json"
}

source "file" "services" {
  path  = "services.yaml"
  rules = [rule.schema.services]
}

sink "file" "ports" {
  path        = "out/ports.json"
  content     = "${jsonencode({ for s in source.file.services.value.services : s.name => s.port })}\n"
  create_dirs = true
}
