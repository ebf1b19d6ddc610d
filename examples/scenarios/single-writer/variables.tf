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

variable "resource" {
  description = "What is written, as the cluster reaches it: http://HOST:8090/count, where resource.mjs runs on HOST."
  type        = string
}

variable "images_repository" {
  description = "Where the framework images are, as host:port/prefix. Null: where releases publish them."
  type        = string
  default     = null
}

variable "images_tag" {
  description = "Their tag. Null: the provider's version."
  type        = string
  default     = null
}
