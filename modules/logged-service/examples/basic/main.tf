terraform {
  required_providers {
    pattern = {
      source = "container-patterns/pattern"
    }
  }
}

provider "pattern" {
  kubernetes = {} # from the environment: KUBE_CONFIG_PATH, ...
}

module "shop" {
  source = "../.."

  name        = "shop"
  image       = "registry.example.com/shop/web:1.4.0"
  health_path = "/healthz"
  log_folder  = "/var/log/shop"
  bucket_url  = "s3://shop-logs?region=eu-central-1"

  bucket_credentials         = { AWS_ACCESS_KEY_ID = var.access_key, AWS_SECRET_ACCESS_KEY = var.secret_key }
  bucket_credentials_names   = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]
  bucket_credentials_version = "1"
}

variable "access_key" {
  type      = string
  ephemeral = true
}

variable "secret_key" {
  type      = string
  ephemeral = true
}

output "endpoints" {
  value = module.shop.endpoints
}
