# Terraform 1.12 and later
import {
  to = pattern_sidecar.web

  identity = {
    namespace = "shop"
    name      = "web"
  }
}
