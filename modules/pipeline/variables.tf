variable "name" {
  description = "Name of the pipeline: lower-case letters, digits and dashes, at most 40."
  type        = string
}

variable "namespace" {
  description = "Namespace of the engine. Null: the provider's."
  type        = string
  default     = null
}

variable "image" {
  description = "Image of the stages that name none."
  type        = string
  default     = null
}

variable "stages" {
  description = "Steps by name: a command from $(WORK_ITEM_FILE) to $(WORK_OUTPUT_FILE), and how many workers run it."
  type = map(object({
    from         = optional(list(string))
    image        = optional(string)
    command      = list(string)
    env          = optional(map(string))
    timeout      = optional(string)
    max_attempts = optional(number)
    workers = optional(object({
      min         = optional(number, 0)
      max         = optional(number, 4)
      concurrency = optional(number)
    }), {})
    resources = optional(object({
      requests = optional(object({ cpu = optional(string), memory = optional(string) }))
      limits   = optional(object({ cpu = optional(string), memory = optional(string) }))
    }))
  }))

  validation {
    condition     = length(var.stages) > 0 && alltrue([for s in var.stages : s.image != null || var.image != null])
    error_message = "There must be a stage, and each needs an image: its own, or that of the variable image."
  }
}

variable "input_url" {
  description = "Bucket whose objects are the items: s3://NAME?region=..., gs://NAME, azblob://NAME."
  type        = string
}

variable "input_prefix" {
  description = "Only objects whose names begin with it."
  type        = string
  default     = null
}

variable "watch" {
  description = "How often to look for new objects, as 30s. Null: the bucket is read once."
  type        = string
  default     = "30s"
}

variable "output_url" {
  description = "Bucket that gets an object for each output of the last stages."
  type        = string
}

variable "output_prefix" {
  description = "Put before the names of these objects."
  type        = string
  default     = null
}

variable "bucket_credentials" {
  description = "Environment variables with the credentials of the buckets: a value for each of bucket_credentials_names."
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

variable "store_size" {
  description = "Size of the queue's volume."
  type        = string
  default     = "10Gi"
}

variable "reach" {
  description = "How far the API and the page reach: cluster, node or load_balancer."
  type        = string
  default     = "cluster"
}

variable "wait" {
  description = "Whether an apply waits until each object is done; then watch must be null."
  type        = bool
  default     = false

  validation {
    condition     = !var.wait || var.watch == null
    error_message = "A bucket that is watched has no end to wait for: set watch = null."
  }
}

variable "timeout" {
  description = "Bound of an apply, with the work that it waits for."
  type        = string
  default     = "10m"
}
