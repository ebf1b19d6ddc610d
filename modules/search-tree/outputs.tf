output "url" {
  description = "Where to search."
  value       = pattern_scatter_gather.this.url
}

output "tree" {
  description = "Depth, and the number of nodes on each level."
  value       = pattern_scatter_gather.this.tree
}

output "revision" {
  description = "Digest of all that runs."
  value       = pattern_scatter_gather.this.revision
}

output "status" {
  description = "How the instance is."
  value       = pattern_scatter_gather.this.status
}
