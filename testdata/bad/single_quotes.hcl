locals {
  name = 'app'
}
