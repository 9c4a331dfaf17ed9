source "http" "app" {
  url = "http://a/a.json"
  basic_auth {
    username = "a"
  }
  basic_auth {
    username = "b"
    password = "c"
  }
  tls "server" {
    ca_file = "x"
  }
  rety {
    attempts = 3
  }
  retry = {
    attempts = 3
  }
}
