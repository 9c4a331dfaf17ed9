sink "file" "out" {
  path    = "out.json"
  content = delivery.id
}
