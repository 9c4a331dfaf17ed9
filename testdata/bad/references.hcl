variable "config_url" { default = "" }
source "http" "app" {}
source "http" "billing" {}
detector "etag" "fast" {}
locals {
  a = source.http.ap.value
  b = source.http
  c = var
  d = vra.x
  e = var.config_uri
  f = source.file.app.value
  g = path.modul
  h = var["config_url"]
  i = module.x.y
  j = each.valu
  k = nothing_at_all
  l = local.zzz
  m = rule.assert.none
  n = [for x in source.http.app.value : x.y]
  o = env
  p = text
  q = count
}
sink "file" "x" {
  detectors  = [detector.etag.fst, "detector.etag.fast", source.http.app.value, path.module, upper("x")]
  depends_on = source.http.app
}
