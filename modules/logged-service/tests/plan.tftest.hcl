mock_provider "pattern" {}

variables {
  name       = "shop"
  image      = "registry.example.com/shop/web:1.4.0"
  log_folder = "/var/log/shop/"
  bucket_url = "s3://shop-logs?region=eu-central-1"
}

run "files_are_below_the_folder" {
  command = plan

  variables {
    log_files = ["access.log", "audit/*.log"]
  }

  assert {
    condition     = pattern_sidecar.this.sidecars["logs"].log_saver.paths == tolist(["/var/log/shop/access.log", "/var/log/shop/audit/*.log"])
    error_message = "Globs are joined to the folder with one slash."
  }
  assert {
    condition     = pattern_sidecar.this.main.probes.readiness.tcp.port == "http"
    error_message = "Without a health path, a connection is the readiness probe."
  }
  assert {
    condition     = pattern_sidecar.this.secrets == null
    error_message = "Without credentials there is no secret."
  }
}

run "a_health_path_is_asked" {
  command = plan

  variables {
    health_path = "/healthz"
  }

  assert {
    condition     = pattern_sidecar.this.main.probes.readiness.http.path == "/healthz" && pattern_sidecar.this.main.probes.readiness.tcp == null
    error_message = "The health path is the readiness probe."
  }
}

run "credentials_are_references" {
  command = plan

  variables {
    bucket_credentials       = { AWS_ACCESS_KEY_ID = "id", AWS_SECRET_ACCESS_KEY = "secret" }
    bucket_credentials_names = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]
  }

  assert {
    condition     = pattern_sidecar.this.sidecars["logs"].log_saver.secret_env["AWS_ACCESS_KEY_ID"].secret == "bucket"
    error_message = "The log saver reads credentials from the instance's secret."
  }
}

run "absolute_globs_are_refused" {
  command = plan

  variables {
    log_files = ["/var/log/*.log"]
  }

  expect_failures = [var.log_files]
}
