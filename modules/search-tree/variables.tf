variable "name" {
  description = "Name of the search: lower-case letters, digits and dashes, at most 40."
  type        = string
}

variable "namespace" {
  description = "Namespace of the engine. Null: the provider's."
  type        = string
  default     = null
}

variable "leaf" {
  description = "The container that searches one shard, by PATTERN_SHARD of PATTERN_SHARDS: a server on port, which is ready when ready_path answers."
  type = object({
    image      = string
    command    = optional(list(string))
    args       = optional(list(string))
    env        = optional(map(string))
    port       = optional(number, 8080)
    ready_path = optional(string, "/ready")
    resources = optional(object({
      requests = optional(object({ cpu = optional(string), memory = optional(string) }))
      limits   = optional(object({ cpu = optional(string), memory = optional(string) }))
    }))
  })
}

variable "shards" {
  description = "Into how many the whole is split."
  type        = number
}

variable "replicas" {
  description = "How many replicas each shard has. With two or more, slow ones are overtaken by hedged requests."
  type        = number
  default     = 2
}

variable "fan_out" {
  description = "How many children a gatherer has at most; more shards make the tree deeper."
  type        = number
  default     = 16

  validation {
    condition     = var.fan_out >= 2
    error_message = "A gatherer has at least two children."
  }
}

variable "hits" {
  description = "What a leaf answers, and which of it is the best: the array at items (null: the answer itself), the field by and its order, then for equals; at most as many hits as most, or as the query's parameter asks for."
  type = object({
    items     = optional(string, "hits")
    by        = optional(string, "score")
    order     = optional(string, "desc")
    then      = optional(string)
    most      = optional(number, 100)
    parameter = optional(string, "limit")
  })
  default = {}
}

variable "deadline" {
  description = "How long an answer may take."
  type        = string
  default     = "2s"
}

variable "require" {
  description = "How many shards must answer: all, quorum, best_effort, a number, or a fraction such as 0.9. Each answer says which are missing."
  type        = string
  default     = "0.9"
}

variable "cache_ttl" {
  description = "How long complete answers are kept, as 5s. Null: they are not."
  type        = string
  default     = null
}

variable "root_replicas" {
  description = "How many roots there are."
  type        = number
  default     = 2
}

variable "reach" {
  description = "How far the search reaches: cluster, node (a port of every machine) or load_balancer (Kubernetes only)."
  type        = string
  default     = "cluster"
}

variable "port" {
  description = "Port of the address."
  type        = number
  default     = 80
}

variable "timeout" {
  description = "How long an apply may take."
  type        = string
  default     = "10m"
}
