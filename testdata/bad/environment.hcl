locals {
  home = env.HOME.x
  none = env
  name = env["A" + 1]
}
