output "endpoints" {
  description = "Addresses of the service, as HOST:PORT."
  value       = try(pattern_sidecar.this.endpoints["http"], [])
}

output "revision" {
  description = "Digest of all that runs."
  value       = pattern_sidecar.this.revision
}

output "status" {
  description = "How the service is."
  value       = pattern_sidecar.this.status
}
