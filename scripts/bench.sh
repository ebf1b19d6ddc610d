#!/usr/bin/env bash
# Prints figures beside those of a peer or beside a target: the programs of test/bench, and its Go benchmarks
# (RUN=regexp of the programs' and benchmarks' names). Brings both engines up, and leaves them as it found them.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

RUN=${RUN:-.}
chosen() { [[ $1 =~ $RUN ]]; }
failed=0 brought=()
if chosen plan || chosen elect; then
  for e in kubernetes nomad; do
    engine_is_up $e || brought+=($e)
    test/engines/engines.sh up $e
  done
  ! chosen plan || make -s build
  engines_env
fi
if chosen queue; then
  # The peers are run by the program, not as services: nothing is started when they are installed.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e $policy ] && [ -w /usr/sbin ]; then
    trap 'rm -f $policy' EXIT
    printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy
  else
    policy=''
  fi
  need gcc:gcc /usr/include/stdlib.h:libc6-dev redis-server:redis-server beanstalkd:beanstalkd /usr/lib/rabbitmq/bin/rabbitmq-server:rabbitmq-server
  [ -z "$policy" ] || { rm -f "$policy" && trap - EXIT; }
fi
for dir in test/bench/*/; do
  name=$(basename "$dir")
  if grep -lqE '^package main$' "$dir"*.go && chosen "$name"; then
    printf '%s\n' "${BOLD}$name${PLAIN}"
    go run "./$dir" || failed=1
    printf '\n'
  fi
  for benchmark in $(grep -hoE '^func Benchmark\w+' "$dir"*_test.go 2>/dev/null | sed 's/func Benchmark//'); do
    chosen "$benchmark" || continue
    printf '%s\n' "${BOLD}$benchmark${PLAIN}"
    go test -run '^$' -bench "^Benchmark$benchmark\$" -benchtime 1x -timeout 20m "./$dir" || failed=1
    printf '\n'
  done
done
for e in "${brought[@]}"; do test/engines/engines.sh down $e; done
exit $failed
