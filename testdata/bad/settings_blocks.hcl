tidegate {
  required_version = ">= 99.0"
  requried_version = "1"
  listener {
    adress = "127.0.0.1:1"
  }
  state "s3" {
    bucket = "x"
  }
}
