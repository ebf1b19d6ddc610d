# A web server, and a log saver that streams its access log to a bucket.
resource "pattern_sidecar" "web" {
  name     = "web"
  replicas = 2

  main = {
    image = "registry.example.com/shop/web:1.4.0"
    ports = { http = { port = 8080 } }

    mounts = { logs = { path = "/var/log/web" } }
    probes = { readiness = { http = { port = "http", path = "/healthz" } } }

    resources = {
      requests = { cpu = "500m", memory = "128Mi" }
      limits   = { memory = "256Mi" }
    }
  }

  sidecars = {
    logs = {
      log_saver = {
        paths = ["/var/log/web/*.log"]
        sink  = { bucket = { url = "s3://shop-logs?region=eu-central-1", compression = "zstd" } }

        secret_env = {
          AWS_ACCESS_KEY_ID     = { secret = "storage", key = "access_key" }
          AWS_SECRET_ACCESS_KEY = { secret = "storage", key = "secret_key" }
        }
      }
    }
  }

  volumes = {
    logs = { ephemeral = { size = "256Mi" } }
  }

  secrets = {
    storage = {
      values_wo         = { access_key = var.access_key, secret_key = var.secret_key }
      values_wo_version = "1"
    }
  }

  expose = {
    http = { port = 80 }
  }
}

variable "access_key" {
  type      = string
  ephemeral = true
}

variable "secret_key" {
  type      = string
  ephemeral = true
}
