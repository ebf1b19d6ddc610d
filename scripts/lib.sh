# Sourced by the scripts of this folder: the surroundings, and steps that tell how they go.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT"
BUILD=$ROOT/build
VERSION=${VERSION:-0.1.0}
STATE=${ENGINES_STATE:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/terraform-provider-pattern/engines}
mkdir -p "$BUILD"
export PATH=$PATH:/usr/sbin:/sbin

# A configuration file that is not there makes Terraform warn with every command.
[ -z "${TF_CLI_CONFIG_FILE:-}" ] || [ -e "$TF_CLI_CONFIG_FILE" ] || unset TF_CLI_CONFIG_FILE
export CHECKPOINT_DISABLE=1 TF_IN_AUTOMATION=1

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
  LIVE=1 BOLD=$'\e[1m' DIM=$'\e[2m' RED=$'\e[31m' GREEN=$'\e[32m' BLUE=$'\e[36m' PLAIN=$'\e[0m' ERASE=$'\r\e[K'
else
  LIVE='' BOLD='' DIM='' RED='' GREEN='' BLUE='' PLAIN='' ERASE=''
fi

die() { printf '%s\n' "${RED}$*${PLAIN}" >&2; exit 1; }

now() { date +%s%N; }
since() { # since NANOSECONDS: "3.2 s", or "4 min 05 s"
  local ms=$((($(now) - $1) / 1000000))
  if [ $ms -lt 60000 ]; then printf '%d.%d s' $((ms / 1000)) $((ms / 100 % 10)); else printf '%d min %02d s' $((ms / 60000)) $((ms / 1000 % 60)); fi
}

need() { # need PROGRAM:PACKAGE | /FILE/*:PACKAGE...: install the Debian packages of what is missing
  local p miss=()
  for p; do command -v "${p%%:*}" >/dev/null || compgen -G "${p%%:*}" >/dev/null || miss+=("${p#*:}"); done
  [ ${#miss[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null || die "missing: ${miss[*]} (as Debian's packages are called)"
  local install=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Dpkg::Use-Pty=0 --no-install-recommends install "${miss[@]}")
  "${install[@]}" >"$BUILD/apt.log" 2>&1 || { apt-get -qq update && "${install[@]}"; } >>"$BUILD/apt.log" 2>&1 ||
    die "apt-get install ${miss[*]} failed: $BUILD/apt.log"
  hash -r
}

# step LABEL COMMAND...: one line, with the time it took. While it runs, a terminal shows the last line of its output;
# elsewhere a long step says every minute that it lives. The output is in $LOGS. If it fails, its end is shown: from
# "failed:" on, where a list of failures begins so.
step() {
  local label=$1 begun pid log status=0 last shown=0 frames='|/-\' i=0 width
  shift
  LOGS=${LOGS:-$BUILD/logs}
  mkdir -p "$LOGS"
  log=$LOGS/$(tr -cs 'a-zA-Z0-9' - <<<"$label" | cut -c1-40 | sed 's/-*$//').log
  begun=$(now)
  set -m # a process group of its own, so that an interrupt reaches all of it
  (set -e; "$@") >"$log" 2>&1 </dev/null & # of no effect below an if, && or ||: callers must not be there
  pid=$!
  set +m
  trap 'kill -INT -- -$pid 2>/dev/null; kill $(jobs -pr) 2>/dev/null; wait; echo; exit 130' INT TERM # jobs: what runs beside it
  while kill -0 $pid 2>/dev/null; do
    sleep 0.2
    if [ -n "$LIVE" ]; then
      width=$(($(tput cols 2>/dev/null || echo 100) - ${#label} - 24))
      last=$(tail -n 1 "$log" | tr -d '\r' | cut -c1-$((width > 10 ? width : 10)))
      printf '%s  %s %s  %s  %s' "$ERASE" "$BLUE${frames:i++%4:1}$PLAIN" "$label" "$(since "$begun")" "$DIM$last$PLAIN"
    elif [ $((($(now) - begun) / 60000000000)) -gt $shown ]; then
      shown=$((($(now) - begun) / 60000000000))
      printf '    ... %s  %s: %s\n' "$(since "$begun")" "$label" "$(tail -n 1 "$log" | tr -d '\r' | cut -c1-120)"
    fi
  done
  wait $pid || status=$?
  trap - INT TERM
  if [ $status = 0 ]; then
    printf '%s  %s %-58s %12s\n' "$ERASE" "${GREEN}ok${PLAIN}" "$label" "$(since "$begun")"
  else
    printf '%s  %s %-56s %12s\n' "$ERASE" "${RED}FAIL${PLAIN}" "$label" "$(since "$begun")"
    awk -v most="${TAIL:-25}" '{line[NR] = $0} $0 == "failed:" {list = NR}
      END {for (i = list ? list : NR > most ? NR - most + 1 : 1; i <= NR && (!list || i < list + most); i++) print "      " line[i]}' "$log"
    printf '      %s\n' "${DIM}all of it: $log${PLAIN}"
  fi
  return $status
}

engine_is_up() { [ -e "$STATE/$1/up" ]; }
engines_env() { eval "$(test/engines/engines.sh env)"; }
