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

module "thumbnails" {
  source = "../.."

  name       = "thumbnails"
  image      = "registry.example.com/imagemagick:1"
  input_url  = "s3://pictures?region=eu-central-1"
  output_url = "s3://thumbnails?region=eu-central-1"

  stages = {
    thumbnail = {
      command = ["convert", "$(WORK_ITEM_FILE)", "-thumbnail", "128x128", "$(WORK_OUTPUT_FILE)"]
      workers = { max = 10 }
    }
  }

  bucket_credentials       = { AWS_ACCESS_KEY_ID = var.access_key, AWS_SECRET_ACCESS_KEY = var.secret_key }
  bucket_credentials_names = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]
}

variable "access_key" {
  type      = string
  ephemeral = true
}

variable "secret_key" {
  type      = string
  ephemeral = true
}

output "page" {
  value = module.thumbnails.page_url
}
