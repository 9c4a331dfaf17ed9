# Unknown, foreign and malformed blocks, and attributes at the top level.
sorce "http" "a" {}
modul "a" {}
module "a" { source = "./a" }
check "a" {}
moved {}
removed {}
resource "a" "b" {}
terraform {}
nothing_like_it {}
source "http" {}
sink "file" "a" "b" {}
locals "x" {}
answer = 42
source = "x"
