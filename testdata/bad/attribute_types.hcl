source "http" "app" {
  url       = ["http://a/"]
  headers   = "Accept: text/plain"
  max_bytes = "many"
  mirrors   = "http://b/"
  decode    = "xml"
  sensitive = "sometimes"
}
