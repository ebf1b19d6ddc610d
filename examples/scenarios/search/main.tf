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

# The scatter/gather of the paper (section 5.3): a search over manual pages that are split over leaves. The leaf is a small
# server in Python that searches its own shard, the merge one in PHP that makes one list of many; neither knows of the other,
# of replicas, or of the tree between them.
resource "pattern_scatter_gather" "search" {
  name    = "search"
  fan_out = var.fan_out

  leaf = {
    image    = var.leaf_image
    shards   = var.shards
    replicas = var.replicas
    ports    = { http = { port = 8000 } }
    probes   = { readiness = { http = { port = "http", path = "/ready" }, period = "2s" } }

    resources = { requests = { cpu = "20m", memory = "48Mi" }, limits = { memory = "256Mi" } }
  }

  merge = {
    container = {
      image = var.merge_image
      port  = 9000
      env   = { PHP_CLI_SERVER_WORKERS = "4" }

      resources = { requests = { cpu = "20m", memory = "32Mi" }, limits = { memory = "256Mi" } }
    }
  }

  policy = {
    deadline = "5s"
    require  = var.require
    hedge    = var.replicas > 1 ? { after = "p95", budget = 0.05 } : null
  }

  root = {
    replicas = 2
    expose   = { reach = "node" }

    resources = { requests = { cpu = "20m", memory = "32Mi" }, limits = { memory = "256Mi" } }
  }
}
