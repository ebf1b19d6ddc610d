# What a sidecar would become, for review or for a repository that a GitOps controller reads. No cluster is asked.
data "pattern_manifest" "web" {
  sidecar = {
    name     = "web"
    replicas = 2

    main = {
      image  = "registry.example.com/shop/web:1.4.0"
      mounts = { content = { path = "/srv" } }
    }

    sidecars = {
      sync = {
        container = {
          image  = "registry.example.com/shop/content-sync:2.0.0"
          mounts = { content = { path = "/srv" } }
        }
      }
    }

    volumes = {
      content = { ephemeral = { size = "1Gi" } }
    }
  }
}

output "kubernetes" {
  value = data.pattern_manifest.web.kubernetes
}

output "nomad" {
  value = data.pattern_manifest.web.nomad
}
