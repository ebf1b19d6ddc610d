variable "engine" {
  description = "Where it runs: kubernetes or nomad."
  type        = string
  default     = "kubernetes"

  validation {
    condition     = contains(["kubernetes", "nomad"], var.engine)
    error_message = "The engine is kubernetes or nomad."
  }
}

variable "image" {
  description = "Any image with Python 3."
  type        = string
  default     = "docker.io/library/python:3-slim"
}

variable "app_version" {
  description = "What the servers call their version."
  type        = string
  default     = "1"
}

variable "images_repository" {
  description = "Where the framework's images are. Null: where releases put them."
  type        = string
  default     = null
}

variable "images_tag" {
  description = "Tag of the framework's images. Null: that of the provider's version."
  type        = string
  default     = null
}
