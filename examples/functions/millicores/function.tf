# A worker for each core, at least one: 2
output "workers" {
  value = max(1, floor(provider::pattern::millicores("2.5") / 1000))
}
