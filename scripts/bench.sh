#!/usr/bin/env bash
# Prints figures, side by side with peers, of what is under test/bench (RUN=regexp of benchmarks).
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
[ -d test/bench ] || die "there is no test/bench"
make -s build
exec go test -count=1 -timeout 60m -run '^$' -bench "${RUN:-.}" -benchtime 1x ./test/bench/...
