variable "a" {}
variable "a" {}
locals { b = 1 }
locals { b = 2 }
output "c" { value = 1 }
output "c" { value = 2 }
source "http" "d" {}
source "http" "d" {}
source "file" "d" {}
tidegate {}
tidegate {}
