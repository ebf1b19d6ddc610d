variable "engine" {
  description = "Where it runs: kubernetes or nomad."
  type        = string
  default     = "kubernetes"

  validation {
    condition     = contains(["kubernetes", "nomad"], var.engine)
    error_message = "The engine is kubernetes or nomad."
  }
}

variable "leaf_image" {
  description = "The image of the search over one shard: test/images/search-leaf."
  type        = string
}

variable "merge_image" {
  description = "The image that makes one list of many: test/images/search-merge."
  type        = string
}

variable "shards" {
  description = "Into how many the pages are split."
  type        = number
  default     = 8
}

variable "replicas" {
  description = "How many replicas each shard has."
  type        = number
  default     = 2
}

variable "fan_out" {
  description = "How many children a node of the tree has at most."
  type        = number
  default     = 4
}

variable "require" {
  description = "How many shards must answer: all, quorum, best_effort, a number or a fraction."
  type        = string
  default     = "all"
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
