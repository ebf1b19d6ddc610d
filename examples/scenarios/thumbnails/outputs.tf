output "page" {
  description = "The pipeline as a picture, for a browser."
  value       = pattern_work_queue.thumbnails.page_url
}

output "counts" {
  description = "How many items are in which state, by stage."
  value       = pattern_work_queue.thumbnails.counts
}
