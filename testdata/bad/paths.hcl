sink "file" "a" {
  path    = "out/app.json"
  content = "a"
}
sink "file" "b" {
  path    = "out/../out/app.json"
  content = "b"
}
sink "file" "c" {
  path    = "main.hcl"
  content = ""
}
sink "file" "d" {
  path    = "dir/"
  content = ""
  mode    = "rw-r--r--"
}
