// Hello says its version, and who it is.
package main

import (
	"fmt"
	"os"

	"example.test/module/images/internal/identity"
)

func main() { fmt.Println(identity.Version, os.Getuid()) }
