# By namespace and name, or by name alone in the provider's namespace:
terraform import pattern_work_queue.thumbnails media/thumbnails
