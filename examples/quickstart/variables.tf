variable "engine" {
  description = "Where it runs: kubernetes or nomad."
  type        = string
  default     = "kubernetes"

  validation {
    condition     = contains(["kubernetes", "nomad"], var.engine)
    error_message = "The engine is kubernetes or nomad."
  }
}

variable "web_image" {
  description = "A web server that listens on 8080 and writes its access log to /var/log/nginx."
  type        = string
}

variable "replicas" {
  description = "How many web servers."
  type        = number
  default     = 2
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

variable "bucket_url" {
  description = "Where the log goes: s3://bucket?region=..., gs://bucket, azblob://container."
  type        = string
}

variable "access_key" {
  description = "Access key of an S3-compatible store."
  type        = string
  ephemeral   = true
}

variable "secret_key" {
  description = "Secret key of an S3-compatible store."
  type        = string
  ephemeral   = true
}
