#!/usr/bin/env bash
# Runs the programs of test/bench, each of which prints its figures beside those of a peer or beside its target
# (RUN=regexp of their names). Engines that are up are in their environment.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

make -s build
eval "$(test/engines/engines.sh env 2>/dev/null || true)"
failed=0
for dir in test/bench/*/; do
  name=$(basename "$dir")
  grep -lqE '^package main$' "$dir"*.go && [[ $name =~ ${RUN:-.} ]] || continue
  printf '%s\n' "${BOLD}$name${PLAIN}"
  go run "./$dir" || failed=1
  printf '\n'
done
exit $failed
