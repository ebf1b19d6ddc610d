output "url" {
  description = "Base URL of the queue's API."
  value       = pattern_work_queue.this.url
}

output "page_url" {
  description = "The pipeline as a picture, for a browser."
  value       = pattern_work_queue.this.page_url
}

output "counts" {
  description = "How many items are in which state, by stage."
  value       = pattern_work_queue.this.counts
}

output "revision" {
  description = "Digest of all that runs."
  value       = pattern_work_queue.this.revision
}

output "status" {
  description = "How the instance is."
  value       = pattern_work_queue.this.status
}
