mock_provider "pattern" {}

variables {
  name       = "thumbnails"
  image      = "registry.example.com/imagemagick:1"
  input_url  = "s3://pictures?region=eu-central-1"
  output_url = "s3://thumbnails?region=eu-central-1"

  stages = {
    prepare = { command = ["convert", "$(WORK_ITEM_FILE)", "-auto-orient", "$(WORK_OUTPUT_FILE)"] }
    shrink = {
      from    = ["prepare"]
      image   = "registry.example.com/graphicsmagick:1"
      command = ["gm", "convert", "$(WORK_ITEM_FILE)", "-resize", "128x128", "$(WORK_OUTPUT_FILE)"]
      workers = { min = 1, max = 9 }
    }
  }
}

run "stages_take_the_common_image_or_their_own" {
  command = plan

  assert {
    condition     = pattern_work_queue.this.stages["prepare"].image == "registry.example.com/imagemagick:1" && pattern_work_queue.this.stages["shrink"].image == "registry.example.com/graphicsmagick:1"
    error_message = "A stage without an image has that of the variable."
  }
  assert {
    condition     = pattern_work_queue.this.stages["prepare"].workers.min == 0 && pattern_work_queue.this.stages["shrink"].workers.max == 9
    error_message = "Workers are scaled from none by default."
  }
  assert {
    condition     = pattern_work_queue.this.source.bucket.watch == "30s" && pattern_work_queue.this.sink.bucket.url == "s3://thumbnails?region=eu-central-1"
    error_message = "From a bucket that is watched into the other."
  }
  assert {
    condition     = pattern_work_queue.this.secrets == null
    error_message = "Without credentials there is no secret."
  }
}

run "credentials_are_references" {
  command = plan

  variables {
    bucket_credentials       = { AWS_ACCESS_KEY_ID = "id", AWS_SECRET_ACCESS_KEY = "secret" }
    bucket_credentials_names = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]
  }

  assert {
    condition     = pattern_work_queue.this.queue.secret_env["AWS_ACCESS_KEY_ID"].secret == "buckets"
    error_message = "The server reads credentials from the instance's secret."
  }
}

run "what_is_watched_is_not_waited_for" {
  command = plan

  variables {
    wait = true
  }

  expect_failures = [var.wait]
}

run "a_stage_needs_an_image" {
  command = plan

  variables {
    image = null
  }

  expect_failures = [var.stages]
}
