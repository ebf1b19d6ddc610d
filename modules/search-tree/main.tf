# A search that is split over leaves, and answers as one: the best hits of all shards, whatever becomes of single replicas.
resource "pattern_scatter_gather" "this" {
  name      = var.name
  namespace = var.namespace
  fan_out   = var.fan_out

  leaf = {
    image     = var.leaf.image
    command   = var.leaf.command
    args      = var.leaf.args
    env       = var.leaf.env
    shards    = var.shards
    replicas  = var.replicas
    ports     = { http = { port = var.leaf.port } }
    probes    = { readiness = { http = { port = "http", path = var.leaf.ready_path } } }
    resources = var.leaf.resources
    spread    = var.replicas > 1 ? [{ over = "node" }] : null
  }

  merge = {
    top_k = {
      k         = var.hits.most
      parameter = var.hits.parameter
      items     = var.hits.items
      by        = var.hits.by
      order     = var.hits.order
      then      = var.hits.then
    }
  }

  policy = {
    deadline = var.deadline
    require  = var.require
    hedge    = var.replicas > 1 ? { after = "p95", budget = 0.05 } : null
    coalesce = true
    cache    = var.cache_ttl == null ? null : { ttl = var.cache_ttl }
  }

  root = {
    replicas = var.root_replicas
    expose   = { reach = var.reach, port = var.port }
  }

  timeouts = { create = var.timeout, update = var.timeout }
}
