# A search over 32 shards of an index: the leaf answers for one of them, and knows from PATTERN_SHARD for which. With a
# fan-out of 8 there are four parents below the root; the plan shows that in tree.
resource "pattern_scatter_gather" "search" {
  name = "search"

  leaf = {
    image    = "registry.example.com/search-leaf:1"
    shards   = 32
    replicas = 2
    ports    = { http = { port = 8000 } }
    probes   = { readiness = { http = { port = "http", path = "/ready" } } }

    # Loads the shard's part of the index before the leaf starts.
    init    = [{ name = "load", image = "registry.example.com/search-load:1", mounts = { index = { path = "/index" } } }]
    volumes = { index = { ephemeral = { size = "2Gi" } } }
    mounts  = { index = { path = "/index", read_only = true } }
  }

  # The ten best of all hits: {"hits": [{"score": 0.9, ...}, ...]} of each leaf.
  merge = {
    top_k = { k = 10, by = "score", items = "hits", parameter = "limit" }
  }

  fan_out = 8

  policy = {
    deadline = "800ms"
    require  = "0.9"
    hedge    = { after = "p95", budget = 0.05 }
    cache    = { ttl = "5s" }
  }

  root = {
    expose = { reach = "load_balancer", port = 80 }
  }
}

# Searches of three regions that are there already, merged by a script of one's own.
resource "pattern_scatter_gather" "world" {
  name = "world"

  targets = {
    asia   = { url = "http://search.asia.example.com" }
    europe = { url = "http://search.europe.example.com" }
    us     = { url = "http://search.us.example.com" }
  }

  merge = {
    container = {
      image   = "registry.example.com/python:3"
      command = ["python3", "/script/merge.py"]
      port    = 9000
      volumes = { script = { config = { files = { "merge.py" = file("${path.module}/merge.py") } } } }
      mounts  = { script = { path = "/script" } }
    }
  }

  policy = { require = "best_effort", prune = { header = "Regions" } }
}
