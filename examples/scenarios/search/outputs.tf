output "url" {
  description = "Where to search: append /search?q=WORDS&n=COUNT."
  value       = pattern_scatter_gather.search.url
}

output "tree" {
  description = "The tree that follows from the number of shards and the fan-out."
  value       = pattern_scatter_gather.search.tree
}
