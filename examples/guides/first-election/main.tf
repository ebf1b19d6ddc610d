# Three replicas of a small server, one of which leads.
resource "pattern_leader_election" "first" {
  name     = "first"
  replicas = 3

  main = {
    image   = var.image
    command = ["python3", "/code/main.py"]
    env     = { APP_VERSION = var.app_version }
    ports   = { http = { port = 8080 } }
    probes  = { readiness = { http = { port = "http", path = "/ready" }, period = "1s" } }
    mounts  = { code = { path = "/code" } }

    resources = { requests = { cpu = "20m", memory = "32Mi" }, limits = { memory = "128Mi" } }
  }

  volumes = {
    code = { config = { files = { for f in ["main.py", "ask.py"] : f => file("${path.module}/${f}") } } }
  }

  # What there is to lead, and an address that reaches whoever leads it.
  elections = {
    writer = { expose_leader = true }
  }
}

output "leader" {
  description = "Where the leader answers."
  value       = pattern_leader_election.first.endpoints["writer.http"]
}
