terraform {
  required_providers {
    pattern = {
      source = "container-patterns/pattern"
    }
  }
}

# Kubernetes, by the current context of a kubeconfig.
provider "pattern" {
  kubernetes = {
    config_path = "~/.kube/config"
  }
}

# Nomad; the token comes from NOMAD_TOKEN.
provider "pattern" {
  alias = "nomad"

  nomad = {
    address = "https://nomad.example.com:4646"
  }

  default_labels = {
    team = "shop"
  }
}
