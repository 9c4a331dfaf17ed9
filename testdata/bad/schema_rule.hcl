rule "schema" "a" {
  schema = jsonencode({ type = "objct" })
}
rule "schema" "b" {
  schema = "{"
}
rule "schema" "c" {
  schema_file = "missing.json"
}
