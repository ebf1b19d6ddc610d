// Terraform-provider-pattern serves the provider to Terraform and OpenTofu.
package main

func main() {}
