#!/usr/bin/env bash
# Puts the built provider where Terraform and OpenTofu look for themselves: the implied local mirror of this user.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

platform=$(go env GOOS)_$(go env GOARCH)
for host in registry.terraform.io registry.opentofu.org; do
  dir=$HOME/.terraform.d/plugins/$host/container-patterns/pattern/$VERSION/$platform
  mkdir -p "$dir"
  cp "$BUILD/bin/terraform-provider-pattern" "$dir/.new" && mv "$dir/.new" "$dir/terraform-provider-pattern_v$VERSION" # a running one keeps its file
done
echo "installed container-patterns/pattern $VERSION for Terraform and OpenTofu in ~/.terraform.d/plugins"
config=${TF_CLI_CONFIG_FILE:-$HOME/.terraformrc}
if [ -e "$config" ] && grep -q provider_installation "$config"; then
  echo "note: $config has a provider_installation block, which must list that folder as a filesystem_mirror" >&2
fi
