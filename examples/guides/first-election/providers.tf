terraform {
  required_version = ">= 1.11"
  required_providers {
    pattern = {
      source = "container-patterns/pattern"
    }
  }
}

# An empty object takes everything from the environment: KUBE_CONFIG_PATH, NOMAD_ADDR and their like.
provider "pattern" {
  kubernetes = var.engine == "kubernetes" ? {} : null
  nomad      = var.engine == "nomad" ? {} : null

  images = {
    repository = var.images_repository
    tag        = var.images_tag
  }
}
