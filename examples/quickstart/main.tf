terraform {
  required_version = ">= 1.11" # write-only attributes
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

# The sidecar of the paper (section 4.1): a web server that knows nothing of log collection, and a log saver beside it that
# knows nothing of web servers. They share a volume.
resource "pattern_sidecar" "web" {
  name     = "web"
  replicas = var.replicas

  main = {
    image = var.web_image
    ports = { http = { port = 8080 } }

    mounts = {
      logs  = { path = "/var/log/nginx" }
      cache = { path = "/var/cache/nginx" }
    }

    probes = {
      readiness = { http = { port = "http", path = "/healthz" }, period = "2s" }
    }

    resources = {
      requests = { cpu = "100m", memory = "32Mi" }
      limits   = { memory = "64Mi" }
    }
  }

  sidecars = {
    logs = {
      log_saver = {
        paths = ["/var/log/nginx/*.log"]
        sink  = { bucket = { url = var.bucket_url } }
        batch = { max_age = "1s" } # the default of 5s makes fewer and larger objects

        secret_env = {
          AWS_ACCESS_KEY_ID     = { secret = "storage", key = "access_key" }
          AWS_SECRET_ACCESS_KEY = { secret = "storage", key = "secret_key" }
        }
      }
    }
  }

  volumes = {
    logs  = { ephemeral = { size = "64Mi" } }
    cache = { ephemeral = { size = "16Mi" } }
  }

  # Write-only: the values reach the cluster and are in no plan and no state.
  secrets = {
    storage = {
      values_wo         = { access_key = var.access_key, secret_key = var.secret_key }
      values_wo_version = "1"
    }
  }

  expose = {
    http = { port = 80, reach = "node" }
  }
}
