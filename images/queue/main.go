package main

import (
	"github.com/container-patterns/terraform-provider-pattern/images/internal/image"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/wire"
)

func main() { image.Main(wire.Definition()) }
