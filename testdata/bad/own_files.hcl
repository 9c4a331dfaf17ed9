sink "file" "state" {
  path    = ".tidegate/state.db"
  content = "x"
}
sink "file" "configuration" {
  path    = "own_files.hcl"
  content = "x"
}
