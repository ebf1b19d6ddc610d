mock_provider "pattern" {}

variables {
  name  = "orders"
  image = "registry.example.com/shop/orders:1.4.0"
}

run "one_of_three_is_reached" {
  command = plan

  assert {
    condition     = pattern_leader_election.this.replicas == 3 && pattern_leader_election.this.elections["writer"].expose_leader
    error_message = "There are three, and an address of the one that leads."
  }
  assert {
    condition     = pattern_leader_election.this.main.ports["http"].port == 8080 && pattern_leader_election.this.main.probes.readiness.tcp.port == "http"
    error_message = "It listens on 8080, and can lead when it takes connections there."
  }
  assert {
    condition     = pattern_leader_election.this.elector.lease.profile == "default" && pattern_leader_election.this.elector.backend == "engine" && pattern_leader_election.this.identity == "interchangeable"
    error_message = "The engine keeps the leases, of 5.5 s."
  }
  assert {
    condition     = pattern_leader_election.this.elector.callbacks == null
    error_message = "Nobody is called who did not ask for it."
  }
  assert {
    condition     = pattern_leader_election.this.spread[0].over == "node"
    error_message = "They are apart, so that one node's end is not that of all."
  }
}

run "readiness_is_asked_and_callbacks_are_posted" {
  command = plan

  variables {
    ports      = { http = 8000, admin = 9000 }
    ready      = { port = "admin", path = "/ready" }
    lease      = "fast"
    on_demoted = { port = "admin", path = "/demoted" }
  }

  assert {
    condition     = pattern_leader_election.this.main.probes.readiness.http.path == "/ready" && pattern_leader_election.this.main.probes.readiness.http.port == "admin" && pattern_leader_election.this.main.probes.readiness.tcp == null
    error_message = "The readiness that was named is asked, and nothing else."
  }
  assert {
    condition     = pattern_leader_election.this.elector.callbacks.on_demoted.path == "/demoted" && pattern_leader_election.this.elector.callbacks.on_elected == null
    error_message = "Only the callback that was named is posted."
  }
  assert {
    condition     = pattern_leader_election.this.elector.lease.profile == "fast"
    error_message = "The lease is as it was asked for."
  }
}

run "raft_has_members_that_stay" {
  command = plan

  variables {
    backend  = "raft"
    replicas = 5
  }

  assert {
    condition     = pattern_leader_election.this.identity == "stable" && pattern_leader_election.this.elector.backend == "raft"
    error_message = "Each member of a raft exists once."
  }
}

run "the_leader_is_told" {
  assert {
    condition     = keys(output.leader) == ["http"] && output.name == "orders"
    error_message = "There is an address for each port."
  }
}

run "raft_has_an_odd_number" {
  command = plan

  variables {
    backend  = "raft"
    replicas = 4
  }

  expect_failures = [var.replicas]
}

run "one_is_no_election" {
  command = plan

  variables {
    replicas = 1
  }

  expect_failures = [var.replicas]
}

run "a_leader_has_a_port" {
  command = plan

  variables {
    ports = {}
  }

  expect_failures = [var.ports]
}
