# A service whose log files are streamed to a bucket: the paper's first example of a sidecar.
resource "pattern_sidecar" "this" {
  name      = var.name
  namespace = var.namespace
  replicas  = var.replicas

  main = {
    image     = var.image
    ports     = { http = { port = var.port } }
    mounts    = { logs = { path = var.log_folder } }
    resources = var.resources

    probes = {
      readiness = var.health_path == null ? { tcp = { port = "http" }, http = null } : { tcp = null, http = { port = "http", path = var.health_path } }
    }
  }

  sidecars = {
    logs = {
      log_saver = {
        paths = [for f in var.log_files : "${trimsuffix(var.log_folder, "/")}/${f}"]
        sink  = { bucket = { url = var.bucket_url, compression = "zstd" } }

        secret_env = local.has_credentials ? {
          for name in var.bucket_credentials_names : name => { secret = "bucket", key = name }
        } : null
      }
    }
  }

  volumes = { logs = { ephemeral = { size = var.log_volume_size } } }

  secrets = local.has_credentials ? {
    bucket = {
      values_wo         = var.bucket_credentials
      values_wo_version = var.bucket_credentials_version
    }
  } : null

  expose = { http = { reach = var.reach } }
}

locals {
  # The names say whether there are credentials: the values are ephemeral and must not decide what a plan holds.
  has_credentials = length(var.bucket_credentials_names) > 0
}
