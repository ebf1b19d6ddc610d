terraform {
  required_providers {
    pattern = {
      source = "container-patterns/pattern"
    }
  }
}

provider "pattern" {
  kubernetes = {} # from the environment: KUBE_CONFIG_PATH, ...
}

module "orders" {
  source = "../.."

  name       = "orders"
  image      = "registry.example.com/shop/orders:1.4.0"
  ready      = { port = "http", path = "/ready" }
  lease      = "fast"
  on_demoted = { port = "http", path = "/demoted" }
}

output "leader" {
  value = module.orders.leader["http"]
}
