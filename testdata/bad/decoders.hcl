source "file" "app" {
  path = "app.cfg"
}
source "http" "other" {
  url    = "http://a/app"
  decode = "jsno"
}
