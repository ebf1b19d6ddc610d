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

# The work queue of the paper (section 5.2): pictures in a bucket become thumbnails in another one. The image holds nothing
# but ImageMagick, which knows nothing of queues; each stage is one of its commands, from an input file to an output file.
resource "pattern_work_queue" "thumbnails" {
  name = "thumbnails"
  wait = var.wait

  # Either the pictures that are there, or those that come as well.
  source = {
    bucket = { url = var.pictures_url, watch = var.wait ? null : "2s" }
  }

  stages = {
    # Whatever comes in: on white, without its metadata, and not too large.
    prepare = {
      image   = var.imagemagick_image
      command = concat(local.convert, ["$(WORK_ITEM_FILE)", "-background", "white", "-flatten", "-resize", "320x320>", "$(WORK_OUTPUT_FILE)"])
      workers = { min = 0, max = var.workers, concurrency = 2 }
      timeout = "1m"

      resources = { requests = { cpu = "100m", memory = "64Mi" }, limits = { memory = "512Mi" } }
    }

    # A square of its middle.
    crop = {
      from    = ["prepare"]
      image   = var.imagemagick_image
      command = concat(local.convert, ["$(WORK_ITEM_FILE)", "-thumbnail", "128x128^", "-gravity", "center", "-extent", "128x128", "$(WORK_OUTPUT_FILE)"])
      workers = { min = 0, max = var.workers, concurrency = 2 }
      timeout = "1m"

      resources = { requests = { cpu = "100m", memory = "64Mi" }, limits = { memory = "512Mi" } }
    }

    # A frame around it.
    frame = {
      from    = ["crop"]
      image   = var.imagemagick_image
      command = concat(local.convert, ["$(WORK_ITEM_FILE)", "-bordercolor", "navy", "-border", "4", "$(WORK_OUTPUT_FILE)"])
      workers = { min = 1, max = 1, concurrency = 2 }
      timeout = "1m"

      resources = { requests = { cpu = "100m", memory = "64Mi" }, limits = { memory = "512Mi" } }
    }
  }

  sink = {
    bucket = { url = var.thumbnails_url }
  }

  queue = {
    expose = { reach = "node" }

    secret_env = {
      AWS_ACCESS_KEY_ID     = { secret = "storage", key = "access_key" }
      AWS_SECRET_ACCESS_KEY = { secret = "storage", key = "secret_key" }
    }
  }

  # Write-only: the values reach the cluster and are in no plan and no state.
  secrets = {
    storage = {
      values_wo         = { access_key = var.access_key, secret_key = var.secret_key }
      values_wo_version = "1"
    }
  }
}

locals {
  # One thread, since the workers are many; no dates in the files, so that the same picture gives the same thumbnail.
  convert = ["convert", "-limit", "thread", "1", "-strip", "-define", "png:exclude-chunks=date,tIME"]
}
