variable "engine" {
  description = "Where it runs: kubernetes or nomad."
  type        = string
  default     = "kubernetes"

  validation {
    condition     = contains(["kubernetes", "nomad"], var.engine)
    error_message = "The engine is kubernetes or nomad."
  }
}

variable "imagemagick_image" {
  description = "An image that has ImageMagick's convert."
  type        = string
}

variable "pictures_url" {
  description = "The bucket that the pictures are in: s3://bucket?region=..., gs://bucket, azblob://container."
  type        = string
}

variable "thumbnails_url" {
  description = "The bucket that the thumbnails go to, under the names of the pictures."
  type        = string
}

variable "workers" {
  description = "How many workers a stage may have at most."
  type        = number
  default     = 2
}

variable "wait" {
  description = "Whether terraform apply waits until each picture that is there is done. Otherwise new ones are looked for all the time."
  type        = bool
  default     = true
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
