#!/bin/sh
# run.sh - every test of the tree, one after the other, with a summary at the end.
#
# A test is a program: build/tests/<room>/test_* (CUnit), build/tests/fuzz/fuzz_* (replays its corpus),
# tests/e2e/*.sh|*.py and tests/interop/*.sh|*.py. Exit 0 passed, 77 skipped (first line of output says
# why), anything else failed; the output of a failed test is shown. `run.sh PATTERN` runs those whose
# name contains PATTERN.
set -u
: "${BUILD:=build}"
export BUILD
pattern=${1:-}
passed=0 failed=0 skipped=0 failures=
logs=$BUILD/test-logs
mkdir -p "$logs"

run() { # name seconds command…
    name=$1 limit=$2
    shift 2
    case "$name" in *"$pattern"*) ;; *) return ;; esac
    log=$logs/$(echo "$name" | tr '/ ' '__').log
    start=$(date +%s)
    timeout -k 10 "$limit" "$@" >"$log" 2>&1 </dev/null
    code=$?
    took=$(($(date +%s) - start))
    case $code in
    0) passed=$((passed + 1)); printf '  ok    %-44s %3ds\n' "$name" "$took" ;;
    77) skipped=$((skipped + 1)); printf '  skip  %-44s %s\n' "$name" "$(head -n 1 "$log")" ;;
    *)
        failed=$((failed + 1)) failures="$failures $name"
        printf '  FAIL  %-44s %3ds (exit %d)\n' "$name" "$took" "$code"
        tail -n 60 "$log" | sed 's/^/        /'
        ;;
    esac
}

for test in "$BUILD"/tests/*/test_*; do
    [ -x "$test" ] && [ -f "$test" ] && case "$test" in *.d) ;; *) run "${test#"$BUILD"/tests/}" 600 "$test" ;; esac
done
for test in "$BUILD"/tests/fuzz/fuzz_*; do
    [ -x "$test" ] && [ -f "$test" ] && run "fuzz/${test##*/}" 600 "$test" "tests/fuzz/corpus/${test##*/fuzz_}"
done
for test in tests/e2e/*.sh tests/e2e/*.py tests/interop/*.sh tests/interop/*.py; do
    [ -f "$test" ] || continue
    case "${test##*/}" in _*|lib*) continue ;; esac
    case "$test" in
    *.sh) run "${test#tests/}" 1200 sh "$test" ;;
    *.py) run "${test#tests/}" 1200 /usr/bin/python3 "$test" ;;
    esac
done

run style 60 sh tests/style.sh

[ -z "$failures" ] || echo "failed:$failures"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
