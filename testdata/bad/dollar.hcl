sink "exec" "a" {
  command = ["sh", "-c", "echo ${HOME} $PATH %{date}"]
}
