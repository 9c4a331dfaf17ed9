source "file" "app" {
  path = "app.json"

sink "file" "out" {
  path    = "out.json"
  content = source.file.app.text
}
