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
  description = "Image of the service."
  type        = string
}

variable "port" {
  description = "Port that the service listens on."
  type        = number
  default     = 8080
}

variable "health_path" {
  description = "Path that answers 200 to 399 when the service is ready. Null: a connection is enough."
  type        = string
  default     = null
}

variable "replicas" {
  description = "How many replicas run. Null leaves it to an autoscaler."
  type        = number
  default     = 2
}

variable "log_folder" {
  description = "Folder to which the service writes its logs; it gets a volume there."
  type        = string
}

variable "log_files" {
  description = "Globs of the log files, below log_folder."
  type        = list(string)
  default     = ["*.log"]

  validation {
    condition     = length(var.log_files) > 0 && alltrue([for f in var.log_files : !startswith(f, "/")])
    error_message = "log_files are globs below log_folder: at least one, and none begins with a slash."
  }
}

variable "log_volume_size" {
  description = "Limit of the log volume. The service rotates its files to stay below."
  type        = string
  default     = "256Mi"
}

variable "bucket_url" {
  description = "Where the logs go: s3://NAME?region=..., gs://NAME, azblob://NAME."
  type        = string
}

variable "bucket_credentials" {
  description = "Environment variables with the credentials of the bucket: a value for each of bucket_credentials_names."
  type        = map(string)
  default     = {}
  ephemeral   = true
}

variable "bucket_credentials_version" {
  description = "Any text that changes whenever bucket_credentials do."
  type        = string
  default     = "1"
}

variable "bucket_credentials_names" {
  description = "Names in bucket_credentials; they are no secret, and a plan needs them. Empty: the credentials are those of the machine."
  type        = set(string)
  default     = []
}

variable "resources" {
  description = "Resources of the service, as pattern_sidecar takes them."
  type = object({
    requests = optional(object({ cpu = optional(string), memory = optional(string) }))
    limits   = optional(object({ cpu = optional(string), memory = optional(string) }))
  })
  default = null
}

variable "reach" {
  description = "How far the service's address reaches: cluster, node or load_balancer."
  type        = string
  default     = "cluster"
}
