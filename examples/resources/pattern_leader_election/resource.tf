# Three replicas of a service that orders parts, of which one at a time writes to the suppliers. Who leads is asked at
# http://127.0.0.1:4040/v1/elections/orders, and reached by others at pattern_leader_election.writer.endpoints["orders.http"].
resource "pattern_leader_election" "writer" {
  name     = "writer"
  replicas = 3

  main = {
    image  = "registry.example.com/shop/orders:1.4.0"
    ports  = { http = { port = 8080 } }
    probes = { readiness = { http = { port = "http", path = "/ready" } } }
  }

  elections = {
    orders = { expose_leader = true }
    report = {} # as many more as you like: they cost no more calls of the engine's API
  }

  # Another one takes over 2 s after a crash, instead of 6. Who is elected is told, and who has to give the seat away is waited for.
  elector = {
    lease = { profile = "fast" }
    callbacks = {
      on_elected = { port = "http", path = "/elected" }
      on_demoted = { port = "http", path = "/demoted" }
    }
  }

  spread = [{ over = "node" }]
}

# 64 shards of some data, shared out evenly among five replicas: GET /v1/election-sets/parts says which are one's own, and
# GET /v1/election-sets/parts/watch when that changes.
resource "pattern_leader_election" "shards" {
  name     = "shards"
  replicas = 5

  main = {
    image = "registry.example.com/shop/index:2"
    ports = { http = { port = 8080 } }
  }

  election_sets = {
    parts = { shards = 64 }
  }

  # Who is about to lose a shard is asked to put it away first.
  elector = {
    callbacks = { on_demoted = { port = "http", path = "/put-away" }, timeout = "5s" }
  }
}

# Where the cluster grants nobody its API: the electors keep the records among themselves. The application says itself when it stands
# for the election (POST /v1/elections/cron/become-leader), and is taken to be dead if it does not renew.
resource "pattern_leader_election" "alone" {
  name     = "alone"
  replicas = 3
  identity = "stable"

  main = {
    image = "registry.example.com/shop/cron:1"
  }

  elections = {
    cron = {}
  }

  elector = { backend = "raft", campaign = "app" }
}

# Every resource that runs containers takes elections: here a service with a log saver.
resource "pattern_sidecar" "web" {
  name     = "web"
  replicas = 2

  main = {
    image  = "registry.example.com/shop/web:1.4.0"
    ports  = { http = { port = 8080 } }
    mounts = { logs = { path = "/var/log/web" } }
  }

  sidecars = {
    logs = {
      log_saver = {
        paths = ["/var/log/web/*.log"]
        sink  = { bucket = { url = "s3://shop-logs?region=eu-central-1" } }
      }
    }
  }

  volumes = { logs = { ephemeral = { size = "256Mi" } } }

  elections = {
    cleanup = {}
  }
}
