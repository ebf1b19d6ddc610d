output "endpoints" {
  description = "Where the web server answers, as host:port."
  value       = pattern_sidecar.web.endpoints["http"]
}

output "status" {
  description = "How the instance is."
  value       = pattern_sidecar.web.status
}
