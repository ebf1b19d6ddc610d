# A bucket in, a bucket out: the outputs of commands that know nothing of queues or buckets.
resource "pattern_work_queue" "this" {
  name      = var.name
  namespace = var.namespace
  wait      = var.wait

  source = { bucket = { url = var.input_url, prefix = var.input_prefix, watch = var.watch } }
  sink   = { bucket = { url = var.output_url, prefix = var.output_prefix } }

  stages = {
    for name, stage in var.stages : name => {
      from         = stage.from
      image        = coalesce(stage.image, var.image)
      command      = stage.command
      env          = stage.env
      timeout      = stage.timeout
      max_attempts = stage.max_attempts
      workers      = stage.workers
      resources    = stage.resources
    }
  }

  store = { embedded = { size = var.store_size } }

  queue = {
    expose = { reach = var.reach }

    secret_env = local.has_credentials ? {
      for name in var.bucket_credentials_names : name => { secret = "buckets", key = name }
    } : null
  }

  secrets = local.has_credentials ? {
    buckets = {
      values_wo         = var.bucket_credentials
      values_wo_version = var.bucket_credentials_version
    }
  } : null

  timeouts = { create = var.timeout, update = var.timeout }
}

locals {
  # The names say whether there are credentials: the values are ephemeral and must not decide what a plan holds.
  has_credentials = length(var.bucket_credentials_names) > 0
}
