variable "1a" {}
output "a.b" { value = 1 }
source "ht tp" "" {}
sink "file" "é-ok_1" {}
