detector "hash" "a" {
  interval = "10"
}
detector "hash" "b" {
  interval = 10
}
detector "hash" "c" {
  interval = "10 minutes"
}
detector "hash" "d" {
  interval = "-5s"
}
detector "hash" "e" {
  interval = "1d"
}
source "http" "app" {
  url     = "http://a/a.json"
  timeout = "${1 + 1}x"
}
