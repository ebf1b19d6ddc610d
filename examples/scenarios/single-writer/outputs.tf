output "leader" {
  description = "Where the one that counts answers: on Kubernetes one address, on Nomad one of each replica, any of which leads to it."
  value       = module.counter.leader["http"]
}
