locals {
  memory = "512Mi"
}

# 90 % of what the container may have: GOMEMLIMIT=483183820
output "gomemlimit" {
  value = floor(provider::pattern::bytes(local.memory) * 0.9)
}
