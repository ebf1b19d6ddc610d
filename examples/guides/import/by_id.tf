import {
  to = pattern_sidecar.web
  id = "shop/web"
}
