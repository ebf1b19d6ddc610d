# Pictures in a bucket become thumbnails in another one. ImageMagick knows nothing of queues.
resource "pattern_work_queue" "thumbnails" {
  name = "thumbnails"

  source = {
    bucket = { url = "s3://pictures?region=eu-central-1", watch = "30s" }
  }

  stages = {
    prepare = {
      image   = "registry.example.com/imagemagick:1"
      command = ["convert", "$(WORK_ITEM_FILE)", "-auto-orient", "-resize", "1024x1024>", "$(WORK_OUTPUT_FILE)"]
      workers = { min = 0, max = 10, concurrency = 2 }
      timeout = "1m"
    }

    thumbnail = {
      from    = ["prepare"]
      image   = "registry.example.com/imagemagick:1"
      command = ["convert", "$(WORK_ITEM_FILE)", "-thumbnail", "128x128", "$(WORK_OUTPUT_FILE)"]
      workers = { min = 0, max = 10 }
    }
  }

  sink = {
    bucket = { url = "s3://thumbnails?region=eu-central-1" }
  }

  queue = {
    secret_env = {
      AWS_ACCESS_KEY_ID     = { secret = "storage", key = "access_key" }
      AWS_SECRET_ACCESS_KEY = { secret = "storage", key = "secret_key" }
    }
  }

  secrets = {
    storage = {
      values_wo         = { access_key = var.access_key, secret_key = var.secret_key }
      values_wo_version = "1"
    }
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
