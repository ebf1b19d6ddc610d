# terraform apply -invoke=action.pattern_hand_over.drain
action "pattern_hand_over" "drain" {
  config {
    of       = pattern_leader_election.ledger.name
    election = "writer"
  }
}

# To one of the replicas, whenever the instance has changed: the others are not asked to lead.
action "pattern_hand_over" "first" {
  config {
    of       = "ledger"
    election = "writer"
    to       = "ledger-0"
  }
}

resource "pattern_leader_election" "ledger" {
  name     = "ledger"
  replicas = 3
  identity = "stable" # so that replicas have names that one can know: ledger-0, ledger-1, ledger-2
  main = {
    image = "registry.example.com/ledger:1.4.2"
    ports = { http = { port = 8080 } }
  }
  elections = { writer = {} }

  lifecycle {
    action_trigger {
      events  = [after_update]
      actions = [action.pattern_hand_over.first]
    }
  }
}
