source "http" "a" {
  url = "config.example.com/app.json"
}
source "http" "b" {
  url = "ftp://config.example.com/app.json"
}
source "http" "c" {
  url = "http://"
}
sink "http" "d" {
  url    = "https://x.example.com/ hook"
  method = "FETCH"
}
