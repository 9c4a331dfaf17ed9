source "file" "app" {
  path: "app.json"
}
