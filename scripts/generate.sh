#!/usr/bin/env bash
# Makes docs/ from the provider's own schemas, templates/ and examples/. Terraform asks the provider for the schemas.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

command -v terraform >/dev/null || die "missing: terraform. The provider is asked for its schemas through it."
terraform fmt -recursive examples >/dev/null
log=$BUILD/generate.log
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go build -o "$work/terraform-provider-pattern" .
printf 'terraform {\n  required_providers {\n    pattern = { source = "container-patterns/pattern" }\n  }\n}\n' >"$work/main.tf"
printf 'provider_installation {\n  dev_overrides { "container-patterns/pattern" = "%s" }\n  direct {}\n}\n' "$work" >"$work/cli.tfrc"
TF_CLI_CONFIG_FILE=$work/cli.tfrc terraform -chdir="$work" providers schema -json | go run ./scripts/schemas >"$work/schemas.json"
for what in generate validate; do
  "$BUILD/bin/tfplugindocs" $what --provider-name pattern --providers-schema "$work/schemas.json" $([ $what = validate ] || echo --rendered-provider-name Pattern) >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
done
