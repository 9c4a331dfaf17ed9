terraform {
  required_version = ">= 1.5"
}
provider "aws" {
  region = "eu-west-1"
}
resource "local_file" "app" {
  filename = "app.json"
  content  = data.http.app.body
}
data "http" "app" {
  url = "http://a/"
}
