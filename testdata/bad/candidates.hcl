rule "assert" "a" {
  assertion {
    condition     = valeu.port > 0
    error_message = "port is ${value.port}."
  }
  assertion {
    condition = previous.port == value.port
  }
}
source "file" "app" {
  path  = "app.json"
  rules = [rule.assert.a]
}
sink "file" "out" {
  path    = "out.json"
  content = jsonencode(value)
}
