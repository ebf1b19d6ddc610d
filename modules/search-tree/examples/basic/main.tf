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

module "docs" {
  source = "../.."

  name   = "docs"
  shards = 8
  leaf   = { image = "registry.example.com/search-leaf:1" }
  reach  = "load_balancer"
}

output "url" {
  value = module.docs.url
}
