# NAMESPACE/NAME, or NAME in the provider's own namespace
terraform import pattern_sidecar.web shop/web
