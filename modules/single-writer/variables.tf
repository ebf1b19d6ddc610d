variable "name" {
  description = "Name of the service: lower-case letters, digits and dashes, at most 40."
  type        = string
}

variable "namespace" {
  description = "Namespace of the engine. Null: the provider's."
  type        = string
  default     = null
}

variable "image" {
  description = "Image of the writer."
  type        = string
}

variable "command" {
  description = "Command of the writer. Null: the image's."
  type        = list(string)
  default     = null
}

variable "args" {
  description = "Arguments of the writer. Null: the image's."
  type        = list(string)
  default     = null
}

variable "env" {
  description = "Environment of the writer, besides PATTERN_ELECTOR and PATTERN_MEMBER."
  type        = map(string)
  default     = null
}

variable "ports" {
  description = "TCP ports of the writer, by name; the leader is reached at each of them."
  type        = map(number)
  default     = { http = 8080 }

  validation {
    condition     = length(var.ports) > 0
    error_message = "A leader is reached at a port: name at least one."
  }
}

variable "ready" {
  description = "The request that tells whether a replica can lead, as { port = \"http\", path = \"/ready\" }. Null: it can when the first port takes connections."
  type        = object({ port = string, path = string })
  default     = null
}

variable "replicas" {
  description = "How many there are: one writes, the others wait."
  type        = number
  default     = 3

  validation {
    condition     = var.replicas >= 2
    error_message = "One replica has nobody who could take over: have at least 2."
  }
  validation {
    condition     = var.backend != "raft" || contains([3, 5, 7, 9], var.replicas)
    error_message = "With the backend raft there are 3, 5, 7 or 9."
  }
}

variable "lease" {
  description = "How long a leader may be silent: fast (2 s) or default (5.5 s)."
  type        = string
  default     = "default"

  validation {
    condition     = contains(["fast", "default"], var.lease)
    error_message = "A lease is fast or default."
  }
}

variable "backend" {
  description = "What the electors agree by: engine (Leases of Kubernetes, variables of Nomad) or raft (among themselves). A change replaces the service."
  type        = string
  default     = "engine"

  validation {
    condition     = contains(["engine", "raft"], var.backend)
    error_message = "A backend is engine or raft."
  }
}

variable "on_elected" {
  description = "Where a writer is told that it leads: a POST to a path of a port."
  type        = object({ port = string, path = optional(string) })
  default     = null
}

variable "on_demoted" {
  description = "Where a writer is told that it leads no more: a POST to a path of a port, which is waited for before the lead is handed over."
  type        = object({ port = string, path = optional(string) })
  default     = null
}

variable "callback_timeout" {
  description = "How long one of these requests may take, at most the lease. Null: 1s."
  type        = string
  default     = null
}

variable "resources" {
  description = "CPU and memory of the writer."
  type = object({
    requests = optional(object({ cpu = optional(string), memory = optional(string) }))
    limits   = optional(object({ cpu = optional(string), memory = optional(string) }))
  })
  default = null
}

variable "timeout" {
  description = "How long an apply may take."
  type        = string
  default     = "10m"
}
