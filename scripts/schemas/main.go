// Command schemas completes what `terraform providers schema -json` prints (standard input) for tfplugindocs (standard output): by the
// provider's actions, which Terraform leaves out before 1.14.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"

	"github.com/container-patterns/terraform-provider-pattern/internal/provider"
)

// address of the provider, as Terraform has it; tfplugindocs looks for the last part.
const (
	address   = "registry.terraform.io/container-patterns/pattern"
	shortName = "pattern"
)

type object = map[string]any

func main() {
	if err := complete(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "schemas:", err)
		os.Exit(1)
	}
}

func complete(in io.Reader, out io.Writer) error {
	var all object
	if err := json.NewDecoder(in).Decode(&all); err != nil {
		return fmt.Errorf("read what terraform prints: %w", err)
	}
	of, _ := all["provider_schemas"].(object)
	own, is := of[address].(object)
	if !is {
		return fmt.Errorf("terraform has told nothing of %s", address)
	}
	actions, err := actions()
	if err != nil {
		return err
	}
	own["action_schemas"] = actions
	all["provider_schemas"] = object{shortName: own}
	return json.NewEncoder(out).Encode(all)
}

// actions by their names, as Terraform would print their schemas.
func actions() (object, error) {
	server, err := providerserver.NewProtocol6WithError(provider.New("docs", provider.Options{})())()
	if err != nil {
		return nil, err
	}
	schemas, err := server.GetProviderSchema(context.Background(), &tfprotov6.GetProviderSchemaRequest{})
	if err != nil {
		return nil, err
	}
	out := object{}
	for name, s := range schemas.ActionSchemas {
		if len(s.Schema.Block.BlockTypes) > 0 {
			return nil, errors.New(name + ": blocks are not provided for here")
		}
		attributes := object{}
		for _, a := range s.Schema.Block.Attributes {
			if a.NestedType != nil {
				return nil, errors.New(name + "." + a.Name + ": nested attributes are not provided for here")
			}
			attributes[a.Name] = object{"type": a.Type, "description": a.Description, "description_kind": "markdown", "required": a.Required, "optional": a.Optional}
		}
		out[name] = object{"block": object{"attributes": attributes, "description": s.Schema.Block.Description, "description_kind": "markdown"}}
	}
	return out, nil
}
