#!/usr/bin/env bash
# From nothing to log lines in the storage, on an engine of its own: demo.sh up|down (ENGINE=kubernetes|nomad).
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

ENGINE=${ENGINE:-all}
[ "$ENGINE" != all ] || ENGINE=kubernetes
case $ENGINE in
kubernetes) NAME=Kubernetes ;;
nomad) NAME=Nomad ;;
*) die "ENGINE is kubernetes or nomad, not $ENGINE" ;;
esac
DEMO=$BUILD/demo
WORK=$DEMO/$ENGINE                  # a copy of examples/quickstart, with its state
STORAGE=10.99.0.254:7070            # of this host, as Pods and tasks see it
BUCKET=$DEMO/storage/$ENGINE-logs   # the S3 server keeps buckets as folders
PLUGINS=$HOME/.terraform.d/plugins
LOGS=$DEMO/logs
REQUESTS=20

# --- the steps

engine() {
  engine_is_up "$ENGINE" || touch "$WORK/engine-is-ours"
  PROGRESS=2 test/engines/engines.sh up "$ENGINE"
}

images() {
  local arch
  arch=$(go env GOARCH)
  make -s build/bin/images
  build/bin/images build -version "$VERSION" -platforms "linux/$arch" -layout "$DEMO/images" -cache "$BUILD/cache"
}

web_image() { build/bin/images debian -layout "$DEMO/web" -cache "$BUILD/debs" test/images/nginx; }

push() { # a tag that changes with the images' content, so that no node runs an old one of the same name
  engines_env
  local tag
  tag=demo-$(sha256sum "$DEMO/images/index.json" | cut -c1-12)
  build/bin/images push -layout "$DEMO/images" -repository "$REGISTRY/pattern" -tag "$tag"
  build/bin/images push -layout "$DEMO/web" -repository "$REGISTRY/demo" -tag 1
  cat >"$WORK/terraform.tfvars" <<EOF
engine            = "$ENGINE"
web_image         = "$(sed -n 's/.*"nginx": "\(.*\)".*/\1/p' "$DEMO/web/digests.json")"
images_repository = "$REGISTRY/pattern"
images_tag        = "$tag"
bucket_url        = "s3://$ENGINE-logs?endpoint=http://$STORAGE&region=us-east-1&use_path_style=true"
EOF
}

provider() {
  [ -d "$PLUGINS" ] && [ -n "$(find "$PLUGINS" -path "*/container-patterns/pattern/$VERSION/*" -type f)" ] || touch "$DEMO/provider-is-ours"
  make -s install
}

servers() { # the storage servers of this demo: whoever serves its folder, also when the demo was broken off
  local p
  for p in /proc/[0-9]*; do
    [[ $({ tr '\0' ' ' <"$p/cmdline"; } 2>/dev/null) != *"versitygw "*" $DEMO/storage " ]] || echo "${p#/proc/}"
  done
}
storage() {
  local made
  made=$(go run ./test/peers/build versitygw)
  ln -sfn "${made##*: }" "$DEMO/versitygw"
  mkdir -p "$BUCKET" "$DEMO/metadata"
  [ -s "$DEMO/credentials" ] || (umask 077 && printf 'demo\n%s\n' "$(head -c 24 /dev/urandom | base64 | tr -d '/+=')" >"$DEMO/credentials")
  if [ -z "$(servers)" ]; then
    { read -r ROOT_ACCESS_KEY && read -r ROOT_SECRET_KEY; } <"$DEMO/credentials"
    export ROOT_ACCESS_KEY ROOT_SECRET_KEY
    setsid "$DEMO/versitygw" --quiet --port "$STORAGE" posix --sidecar "$DEMO/metadata" "$DEMO/storage" >"$LOGS/storage-server.log" 2>&1 </dev/null &
  fi
  until_true 20 answers "http://$STORAGE/" && [ -n "$(servers)" ] || { cat "$LOGS/storage-server.log"; return 1; }
}

surroundings() { # what Terraform needs to reach the engine and the storage; also for the user
  engines_env
  {
    test/engines/engines.sh env
    echo 'export KUBE_CONFIG_PATH=${KUBECONFIG:-}'
    printf 'export TF_VAR_access_key=%q TF_VAR_secret_key=%q\n' "$(sed -n 1p "$DEMO/credentials")" "$(sed -n 2p "$DEMO/credentials")"
  } >"$WORK/env"
  chmod 600 "$WORK/env"
}

init() {
  rm -f "$WORK/.terraform.lock.hcl" # it holds the checksum of the provider as it was built the last time
  tf init -input=false -no-color
}
tf() { (. "$WORK/env" && cd "$WORK" && terraform "$@"); }

requests() { # each with its number in the path, so that its line can be recognized
  local endpoints n
  read -ra endpoints <<<"$(tf output -json endpoints | tr -d '[]"\n' | tr , ' ')"
  [ ${#endpoints[@]} -gt 0 ] || { echo "terraform output endpoints is empty"; return 1; }
  echo $$-$RANDOM >"$DEMO/run"
  for n in $(seq $REQUESTS); do
    curl -fsS -o /dev/null "http://${endpoints[n % ${#endpoints[@]}]}/demo/$(cat "$DEMO/run")/$n"
  done
}

saved() { { grep -rhoE "GET /demo/$(cat "$DEMO/run")/[0-9]+ " "$BUCKET" || true; } | sort -u | wc -l; }
all_saved() { [ "$(saved)" = $REQUESTS ]; }
lines() { until_true 60 all_saved || { echo "$(saved) of $REQUESTS lines are in the storage"; return 1; }; }

answers() { curl -s -o /dev/null "$1"; }
until_true() { # until_true SECONDS COMMAND...
  local end=$((SECONDS + $1))
  shift
  until "$@"; do [ $SECONDS -lt $end ] || return 1; sleep 0.2; done
}

# --- up and down

up() {
  local begun file
  begun=$(now)
  [ "$(id -u)" = 0 ] || die "The demo brings up a whole $NAME: run it as root."
  need curl:curl
  for p in go terraform; do command -v $p >/dev/null || die "missing: $p. Install it, and have it in PATH."; done
  mkdir -p "$WORK" "$LOGS"
  cp examples/quickstart/*.tf "$WORK"

  printf '\n%s\n\n' "${BOLD}A web server and its log saver: pattern_sidecar on $NAME${PLAIN}"
  [ -e "$STATE/bin/build/$ENGINE" ] || printf '  %s\n' "${DIM}The first time, $NAME is compiled from its sources: 5 to 10 minutes. Later it is up in seconds.${PLAIN}"
  step "$NAME, on this machine" engine
  step "images of the framework, built by ko" images
  step "image of the web server, from Debian's nginx" web_image
  step "images, pushed to the engine's registry" push
  step "provider, built and installed for Terraform" provider
  step "storage: an S3 server" storage
  surroundings
  step "terraform init" init
  TAIL=60 step "terraform apply" tf apply -input=false -no-color -auto-approve
  step "$REQUESTS HTTP requests" requests
  step "$REQUESTS access-log lines in the storage" lines

  file=$(grep -rlE "GET /demo/$(cat "$DEMO/run")/" "$BUCKET" | head -n 1)
  printf '\n  %s\n' "${DIM}${file#"$ROOT/"}${PLAIN}"
  { grep -hE "GET /demo/$(cat "$DEMO/run")/" "$file" || true; } | head -n 3 | cut -c1-150 | sed 's/^/    /'
  printf '\n%s\n\n' "${BOLD}Done in $(since "$begun").${PLAIN} What to try next:"
  next
}

next() {
  local look
  case $ENGINE in
  kubernetes) look='kubectl get pods; kubectl logs -l container-patterns.dev/instance=web -c logs' ;;
  nomad) look='nomad job status; nomad job status web' ;;
  esac
  cat <<EOF
  . build/demo/$ENGINE/env && cd build/demo/$ENGINE     the configuration that was applied, and what it needs
    terraform plan                                    no changes: what runs is what is written
    terraform apply -var replicas=3                   one more web server, with its own log saver
    $look
  find build/demo/storage -type f                     the log, as objects
  make demo ENGINE=$([ $ENGINE = kubernetes ] && echo 'nomad     ' || echo 'kubernetes')                        the same configuration on the other engine
  make demo-down                                      remove everything

EOF
}

destroy() { init && tf destroy -input=false -no-color -auto-approve; }
none_serves() { [ -z "$(servers)" ]; }
stop_storage() {
  local p
  for p in $(servers); do kill "$p"; done
  until_true 10 none_serves
}
remove() {
  [ ! -e "$DEMO/provider-is-ours" ] || rm -rf "$PLUGINS"/registry.{terraform.io,opentofu.org}/container-patterns/pattern/"$VERSION"
  rm -rf "$DEMO"
}

down() {
  local e
  [ -d "$DEMO" ] || [ -n "$(servers)" ] || { echo "There is no demo."; return; }
  printf '\n%s\n\n' "${BOLD}Removing the demo${PLAIN}"
  mkdir -p "$LOGS"
  for e in kubernetes nomad; do
    WORK=$DEMO/$e
    [ -d "$WORK" ] || continue
    [ ! -s "$WORK/terraform.tfstate" ] || ! engine_is_up $e || step "terraform destroy on $e" destroy
    [ ! -e "$WORK/engine-is-ours" ] || step "$e, thrown away" test/engines/engines.sh down $e
  done
  step "storage" stop_storage
  remove
  printf '\n  %s\n\n' "${DIM}Compiled engines stay in $STATE; what was built stays in build/ (make clean).${PLAIN}"
}

case ${1:-} in
up | down) "$1" ;;
*) sed -n '2s/^# *//p' "$0" && exit 2 ;;
esac
