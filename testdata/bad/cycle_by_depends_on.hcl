sink "file" "a" {
  path       = "a"
  content    = "a"
  depends_on = [sink.file.b]
}
sink "file" "b" {
  path       = "b"
  content    = sink.file.a.sha256
}
