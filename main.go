// Terraform-provider-pattern serves the provider to Terraform and OpenTofu.
package main

import (
	"context"
	"flag"
	"log"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"

	"github.com/container-patterns/terraform-provider-pattern/internal/provider"
)

// version is set by the release build (-ldflags "-X main.version=1.2.3").
var version = "dev"

func main() {
	debug := flag.Bool("debug", false, "print what a debugger's Terraform needs to attach")
	flag.Parse()
	err := providerserver.Serve(context.Background(), provider.New(version, provider.Options{}), providerserver.ServeOpts{
		Address: "registry.terraform.io/container-patterns/pattern",
		Debug:   *debug,
	})
	if err != nil {
		log.Fatal(err)
	}
}
