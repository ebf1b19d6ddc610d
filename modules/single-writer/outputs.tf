output "name" {
  description = "Name of the service."
  value       = pattern_leader_election.this.name
}

output "leader" {
  description = "Where the leader is reached (HOST:PORT), by port. On Nomad these are several; each leads to it."
  value       = { for name in keys(var.ports) : name => try(pattern_leader_election.this.endpoints["writer.${name}"], []) }
}

output "revision" {
  description = "Digest of all that runs."
  value       = pattern_leader_election.this.revision
}

output "status" {
  description = "How the instance is."
  value       = pattern_leader_election.this.status
}
