source "file" "app" {
  path = "C:\config\app.json"
}
