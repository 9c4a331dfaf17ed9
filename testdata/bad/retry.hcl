sink "exec" "a" {
  command = ["true"]
  retry {
    attempts = 0
    min      = "10s"
    max      = "1s"
  }
}
rate_limit "token_bucket" "b" {
  rate  = 0
  per   = "1m"
  burst = -1
}
rate_limit "sliding_window" "c" {
  max = "a few"
  per = "1m"
}
