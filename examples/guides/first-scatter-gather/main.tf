resource "pattern_scatter_gather" "first" {
  name = "first"

  # Four servers, each of which knows from PATTERN_SHARD which one it is.
  leaf = {
    image   = "docker.io/library/python:3-slim"
    command = ["python3", "/code/leaf.py"]
    shards  = 4
    ports   = { http = { port = 8000 } }
    volumes = { code = { config = { files = { "leaf.py" = file("${path.module}/leaf.py") } } } }
    mounts  = { code = { path = "/code" } }
  }

  # The three best of all hits.
  merge = {
    top_k = { k = 3, by = "score", items = "hits" }
  }

  # At most two children for each gatherer: a root, two parents, four leaves.
  fan_out = 2

  root = { expose = { reach = "node" } }
}

output "url" {
  value = pattern_scatter_gather.first.url
}

output "tree" {
  value = pattern_scatter_gather.first.tree
}
