source "file" "app" {
  for_each = ["a", "b"]
  path     = "${each.key}.json"
}
source "file" "other" {
  path = "${each.value}.json"
}
sink "file" "out" {
  count    = 2
  for_each = { a = 1 }
  path     = "x"
  content  = "x"
}
sink "file" "one" {
  count   = -1
  path    = "${count.indx}"
  content = source.file.app.text
}
