#!/usr/bin/env bash
# Runs what there is of tests, and sums up: test.sh [all|check|unit|images|fault|acceptance|nodes]. See make help.
#   ENGINE=kubernetes|nomad|all   RUN=regexp of tests   KEEP=1 leaves engines up that were brought up for this
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

RUN=${RUN:-}
ENGINE=${ENGINE:-all}
case $ENGINE in
all) engines=(kubernetes nomad) ;;
kubernetes | nomad) engines=("$ENGINE") ;;
*) die "ENGINE is kubernetes, nomad or all, not $ENGINE" ;;
esac
LOGS=$BUILD/logs/test TAIL=40
rm -rf "$LOGS"
failed=() passed=0 begun=$(now)

# run LABEL COMMAND...: a step that, if it fails, does not keep the others from running
run() {
  local status
  set +e # an if would make the shell overlook failures in the middle of the step
  step "$@"
  status=$?
  set -e
  if [ $status = 0 ]; then passed=$((passed + 1)); else failed+=("$1"); fi
}

# on_each LABEL COMMAND...: a step for each engine, side by side, since most of each is waiting
on_each() {
  local label=$1 e others=("${engines[@]:1}") pids=() i
  shift
  for e in "${others[@]}"; do
    (LIVE=''; step "$label on $e" "$@" "$e") >"$BUILD/test/$e.out" 2>&1 &
    pids+=($!)
  done
  run "$label on ${engines[0]}" "$@" "${engines[0]}"
  for i in "${!others[@]}"; do
    if wait "${pids[i]}"; then passed=$((passed + 1)); else failed+=("$label on ${others[i]}"); fi
    grep -v '^    \.\.\.' "$BUILD/test/${others[i]}.out"
  done
}

# gotest DIR ARGS...: go test, and what a reader wants to know of it; all of it, as go test -json has it, is in the file EVENTS
gotest() {
  local dir=$1
  shift
  go build -o build/bin/testlog ./scripts/testlog
  (cd "$dir" && set -o pipefail && go test -json ${RUN:+-run "$RUN"} "$@" 2>&1 | tee "${EVENTS:-/dev/null}" | "$BUILD/bin/testlog" -v)
}

# twice DIR ARGS...: gotest, of which up to three tests that fail are run once more: a real engine on two busy cores may miss a
# moment. It is told which passed only then. Not for tests of safety, where one failure is one too many.
twice() {
  local dir=$1 events status=0 names
  shift
  events=$(mktemp)
  EVENTS=$events gotest "$dir" "$@" || status=$?
  names=$(sed -n 's/.*"Action":"fail","Package":"[^"]*","Test":"\([^"/]*\)".*/\1/p' "$events" | sort -u)
  if [ $status = 0 ] || [ -z "$names" ] || [ "$(wc -l <<<"$names")" -gt 3 ] || grep -qE '"Output":"(panic: |signal: )' "$events"; then
    rm "$events"
    return $status
  fi
  rm "$events"
  echo "once more: $names"
  RUN="^($(paste -sd'|' <<<"$names"))\$" gotest "$dir" "$@" || return
  echo "passed only when run once more:" $names
}

# --- checks

gofmt_check() {
  local files
  files=$(git ls-files --cached --others --exclude-standard '*.go' | while read -r f; do [ ! -e "$f" ] || echo "$f"; done | xargs gofmt -l)
  [ -z "$files" ] || { echo "not formatted (make fmt):"; echo "$files"; return 1; }
}
terraform_format() { terraform fmt -check -diff -recursive examples && { [ ! -d modules ] || terraform fmt -check -diff -recursive modules; }; }
vet() { go vet -tags engine,acceptance,nodes ./... && go vet -C tools/images ./...; } # with the tests that want an engine
generated() {
  rm -rf "$BUILD/docs-before"
  cp -r docs "$BUILD/docs-before"
  make -s generate
  diff -r "$BUILD/docs-before" docs || { echo "docs/ was not what make generate makes; now it is"; return 1; }
}
lint() {
  make -s build/bin/golangci-lint
  build/bin/golangci-lint run
  (cd tools/images && ../../build/bin/golangci-lint run --config ../../.golangci.yml)
}
# a step fails with whatever fails in it, not only with its last command
steps_fail() {
  local said
  said=$(LOGS=$(mktemp -d) bash -c '. scripts/lib.sh; middle() { false; true; }; set +e; step x middle; echo "status $?"')
  [[ $said == *"status 1"* ]] || { echo "$said"; return 1; }
}
check() {
  run "scripts: a failure in the middle of a step is one" steps_fail
  run "gofmt" gofmt_check
  run "go vet" vet
  run "golangci-lint" lint
  run "terraform fmt" terraform_format
  run "docs are what make generate makes" generated
}

# --- tests

# what tests need that is no part of this project: Debian's packages, and real storage servers, compiled once per machine
peers() {
  need rsyslogd:rsyslog '/usr/lib/*/rsyslog/lmnsd_gtls.so:rsyslog-gnutls' node:nodejs npm:npm curl:curl chromium:chromium '/usr/lib/postgresql/*/bin/initdb:postgresql' && go run ./test/peers/build
}

unit() {
  run "storage servers to test against" peers
  local packages
  packages=$(go list ./... | grep -vE '/test/(acceptance|bench|fault)(/|$)')
  run "unit and golden tests" gotest . $packages
  run "modules, by terraform test with a mocked provider" modules
}
modules() { # each in a copy, with the provider as it was just built
  local m work
  command -v terraform >/dev/null || { echo "missing: terraform"; return 1; }
  make -s build
  work=$(mktemp -d)
  printf 'provider_installation {\n  dev_overrides { "container-patterns/pattern" = "%s" }\n  direct {}\n}\n' "$BUILD/bin" >"$work/terraform.rc"
  for m in modules/*/; do
    cp -r "$m" "$work/"
    (cd "$work/$(basename "$m")" && TF_CLI_CONFIG_FILE=$work/terraform.rc terraform test -no-color) || { rm -rf "$work"; return 1; }
  done
  rm -rf "$work"
}
images() { run "image tests: reproducible, no shell, SBOM" gotest tools/images -count=1 ./...; } # what they read lies outside their module, where the cache of results does not look
fault() { run "fault tests of the log saver, the work queue and leader election" fault_tests; }
fault_tests() { # one package after the other, since each wants the whole machine
  need '/usr/lib/postgresql/*/bin/initdb:postgresql'
  gotest . -count=1 -timeout 30m -p 1 ./test/fault/...
}

# pictures of real things for the thumbnails, and the tool by which they are made by hand
pictures() {
  [ -e "$BUILD/pictures/complete" ] && return
  local deb
  mkdir -p "$BUILD/pictures/debs"
  (cd "$BUILD/pictures/debs" && { apt-get -qq download tuxpaint-stamps-default || { apt-get -qq update && apt-get -qq download tuxpaint-stamps-default; }; })
  deb=$(ls "$BUILD"/pictures/debs/tuxpaint-stamps-default_*.deb)
  dpkg-deb -x "$deb" "$BUILD/pictures/package"
  rm -r "$BUILD/pictures/debs"
  touch "$BUILD/pictures/complete"
}

# what acceptance tests use: binaries, and images in the engines' registry
prepare() {
  make -s build build/bin/images build/bin/tofu
  build/bin/images build -version "$VERSION" -platforms "linux/$(go env GOARCH)" -layout "$BUILD/test/images" -cache "$BUILD/cache"
  make -s test-images
  need /usr/bin/convert-im6.q16:imagemagick-6.q16 node:nodejs
  pictures
  engines_env
  local tag
  tag=test-$(sha256sum "$BUILD/test/images/index.json" | cut -c1-12)
  build/bin/images push -layout "$BUILD/test/images" -repository "$REGISTRY/pattern" -tag "$tag"
  build/bin/images push -layout build/test-images -repository "$REGISTRY/test" -tag 1
  {
    test/engines/engines.sh env
    echo "export PATTERN_IMAGES_REPOSITORY=$REGISTRY/pattern PATTERN_IMAGES_TAG=$tag"
    echo "export TEST_WEB_IMAGE=$(sed -n 's/.*"nginx": "\(.*\)".*/\1/p' build/test-images/digests.json)"
    echo "export TEST_IMAGEMAGICK_IMAGE=$(sed -n 's/.*"imagemagick": "\(.*\)".*/\1/p' build/test-images/digests.json)"
    echo "export TEST_SEARCH_LEAF_IMAGE=$(sed -n 's/.*"search-leaf": "\(.*\)".*/\1/p' build/test-images/digests.json)"
    echo "export TEST_SEARCH_MERGE_IMAGE=$(sed -n 's/.*"search-merge": "\(.*\)".*/\1/p' build/test-images/digests.json)"
    echo "export TEST_PICTURES=$BUILD/pictures/package/usr/share/tuxpaint/stamps TEST_CONVERT=/usr/bin/convert-im6.q16"
    echo "export TEST_PROVIDER=$BUILD/bin/terraform-provider-pattern TEST_TOFU=$BUILD/bin/tofu"
    echo "export TF_ACC_TERRAFORM_PATH=$(command -v terraform)"
  } >"$BUILD/test/env"
}
# only ENGINE: its address is in the environment and the other's is not, so that none is reached by accident
only() {
  . "$BUILD/test/env"
  export ENGINE=$1
  case $1 in
  kubernetes) unset NOMAD_ADDR NOMAD_TOKEN && export KUBE_CONFIG_PATH=$KUBECONFIG ;;
  nomad) unset KUBECONFIG KUBECACHEDIR ;;
  esac
}
engine_tests() { only "$1" && twice . -count=1 -timeout 15m -tags engine "./internal/engine/$1/..." "./images/queue/scale/$1" ./images/elector "./images/elector/store/$1"; }
election_faults() { only "$1" && gotest . -count=1 -timeout 15m -tags engine ./test/fault/elector; } # one after the other, since each wants the whole machine
accept() { only "$1" && twice . -count=1 -timeout 25m -tags acceptance ./test/acceptance/...; } # the same tests on each
acceptance() {
  local e brought=()
  mkdir -p "$BUILD/test"
  for e in "${engines[@]}"; do
    engine_is_up "$e" || brought+=("$e")
    run "$e is up" test/engines/engines.sh up "$e"
  done
  run "provider, images and peers for these tests" prepare
  on_each "engine tests" engine_tests
  on_each "acceptance tests" accept
  for e in "${engines[@]}"; do run "leader election through faults on $e" election_faults "$e"; done
  [ -z "${KEEP:-}" ] || brought=()
  for e in "${brought[@]}"; do run "$e is down again" test/engines/engines.sh down "$e"; done
}

# engines of three nodes, of which the tests lose one
nodes() {
  local e
  for e in "${engines[@]}"; do
    engine_is_up "$e" && die "$e is up: these tests bring up their own, with three nodes; make engines-down"
  done
  mkdir -p "$BUILD/test"
  export NODES=3 NODE_LEASE=10 TOLERATE=5 KCM_ARGS="--node-monitor-grace-period=12s --node-monitor-period=1s" TOPOLOGY=cluster SERVERS=1 CLIENTS=3
  for e in "${engines[@]}"; do run "$e is up, with three nodes" test/engines/engines.sh up "$e"; done
  run "provider, images and peers for these nodes" prepare
  on_each "a leader loses its node" lose
  [ -n "${KEEP:-}" ] || for e in "${engines[@]}"; do run "$e and its nodes are down again" test/engines/engines.sh down "$e"; done
}
lose() { only "$1" && gotest . -count=1 -timeout 15m -tags acceptance,nodes -run TestALeaderLosesItsNode ./test/acceptance; }

all() { # one after the other, not by &&, which would make the shell overlook failures within
  check
  unit
  images
  fault
  acceptance
  nodes
}

case ${1:-all} in
all | check | unit | images | fault | acceptance | nodes)
  export RUN
  printf '\n'
  "${1:-all}"
  ;;
*) sed -n '2,3s/^# *//p' "$0" && exit 2 ;;
esac

printf '\n'
counts=$({ cat "$LOGS"/*.log 2>/dev/null || true; } | awk '/^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$/ {p += $1; f += $3; s += $5; n++}
  END {if (n) printf " (%d tests: %d passed, %d failed, %d skipped)", p + f + s, p, f, s}')
grep -hs '^passed only when run once more:' "$LOGS"/*.log || true
if [ ${#failed[@]} = 0 ]; then
  printf '%s in %s%s\n' "${GREEN}all $passed steps passed${PLAIN}" "$(since "$begun")" "$counts"
else
  printf '%s in %s%s\n' "${RED}${#failed[@]} of $((passed + ${#failed[@]})) steps failed${PLAIN}" "$(since "$begun")" "$counts"
  printf '  %s\n' "${failed[@]}"
  printf '%s\n' "${DIM}logs: ${LOGS#"$ROOT/"}${PLAIN}"
  exit 1
fi
