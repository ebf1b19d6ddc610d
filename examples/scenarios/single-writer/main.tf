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

# Three replicas of writer.py, one of which counts at the resource, and an address that reaches just that one.
module "counter" {
  source = "../../../modules/single-writer"

  name    = "counter"
  image   = var.image
  command = ["python3", "-u", "-c", file("${path.module}/writer.py")] # so that any image with Python will do
  env     = { ELECTION = "writer", RESOURCE = var.resource, PORT = "8080" }
  lease   = "fast"

  on_demoted       = { port = "http", path = "/demoted" } # the next one begins when the last write has ended
  callback_timeout = "2s"

  resources = { requests = { cpu = "20m", memory = "32Mi" }, limits = { memory = "128Mi" } }
}
