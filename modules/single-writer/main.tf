# A service with several replicas of which one at a time writes, and an address that reaches just that one.
resource "pattern_leader_election" "this" {
  name      = var.name
  namespace = var.namespace
  replicas  = var.replicas
  identity  = var.backend == "raft" ? "stable" : "interchangeable"

  main = {
    image     = var.image
    command   = var.command
    args      = var.args
    env       = var.env
    ports     = { for name, number in var.ports : name => { port = number } }
    probes    = local.probes
    resources = var.resources
  }

  elections = {
    writer = { expose_leader = true }
  }

  elector = {
    backend   = var.backend
    lease     = { profile = var.lease }
    callbacks = local.callbacks
  }

  spread   = [{ over = "node" }]
  timeouts = { create = var.timeout, update = var.timeout }
}

locals {
  # Without a path to ask, a writer can lead when it takes connections.
  probes = {
    readiness = {
      http = var.ready == null ? null : { port = var.ready.port, path = var.ready.path }
      tcp  = var.ready == null ? { port = sort(keys(var.ports))[0] } : null
    }
  }

  callbacks = var.on_elected == null && var.on_demoted == null ? null : {
    on_elected = var.on_elected
    on_demoted = var.on_demoted
    timeout    = var.callback_timeout
  }
}
