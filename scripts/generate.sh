#!/usr/bin/env bash
# Makes docs/ from the provider's own schemas, templates/ and examples/. Terraform asks the provider for the schemas.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

command -v terraform >/dev/null || die "missing: terraform. The provider is asked for its schemas through it."
terraform fmt -recursive examples >/dev/null
log=$BUILD/generate.log
"$BUILD/bin/tfplugindocs" generate --provider-name pattern --rendered-provider-name Pattern >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
"$BUILD/bin/tfplugindocs" validate --provider-name pattern >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
