#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# check - run the tests: unit and device tests under sanitizers, qtest-port tests, fuzz smoke, then
# real Xen.
#   tests/check.sh [all|unit|lab [SCENARIO...]|soak]
# Ends with a line `N passed, N failed`; details are in build/check/*.log.
set -u
cd "$(dirname "$0")/.." || exit 1

mode=${1:-all}
[ $# -eq 0 ] || shift
log=build/check
passed=0 failed=0
jobs=$(nproc)

pass() {
    passed=$((passed + 1))
    printf 'PASS %s\n' "$1"
}
fail() { # fail NAME LOGFILE
    failed=$((failed + 1))
    printf 'FAIL %s\n' "$1"
    [ ! -f "$2" ] || tail -n 60 "$2"
}
finish() {
    printf '%d passed, %d failed\n' "$passed" "$failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
    exit
}
# step NAME COMMAND...: one line of the result
step() {
    name=$1
    shift
    if "$@" >"$log/$name.log" 2>&1; then pass "$name"; else fail "$name" "$log/$name.log"; fi
}
# build DIR TARGET CONFIGURE-ARGS...
build() {
    dir=$1 target=$2
    shift 2
    ./configure --builddir="$dir" "$@" && make -j"$jobs" BUILD="$dir" "$target"
}

# run_all PROGRAM...: as many at a time as there are processors; NAME.log and NAME.status of each.
run_all() {
    # shellcheck disable=SC2016 # for the inner shell
    printf '%s\n' "$@" | LOG=$log xargs -P "$jobs" -I '{}' sh -c '
        name=$(basename "{}")
        timeout 900 "{}" >"$LOG/$name.log" 2>&1
        echo $? >"$LOG/$name.status"'
}

# A cmocka program says how many tests it ran; each counts.
report_tests() { # report_tests PROGRAM
    name=$(basename "$1")
    status=$(cat "$log/$name.status")
    ok=$(grep -c '^\[       OK \]' "$log/$name.log")
    passed=$((passed + ok))
    if [ "$status" -eq 0 ] && [ "$ok" -gt 0 ]; then
        printf 'PASS %s (%d tests)\n' "$name" "$ok"
    else
        fail "$name (exit status $status)" "$log/$name.log"
    fi
}

unit() {
    step build-asan build build-asan tests --enable-asan --enable-ubsan --enable-werror
    [ "$failed" -eq 0 ] || finish
    programs=$(find build-asan/tests -maxdepth 1 -perm -u+x -type f \( -name 'hw-*' -o -name 'unit-*' \) | sort)
    # The longest ones first, so that nothing waits for them at the end.
    slow='unit-(recover|blkback|supervisor|upgrade)'
    # shellcheck disable=SC2046 # names without blanks
    run_all $(echo "$programs" | grep -E "$slow") $(echo "$programs" | grep -vE "$slow")
    for program in $programs; do
        report_tests "$program"
    done
}

# Clients of the test port against the whole program; seconds.
qtests() {
    step build-qtests build build-asan qtests --enable-asan --enable-ubsan --enable-werror
    for program in build-asan/tests/qtest-*; do
        [ -x "$program" ] && run_tests "$program"
    done
}

variants() {
    step build-clang build build-clang tests --cc=clang --enable-werror
    step build-no-xen build build-no-xen tests --disable-xen --enable-werror
    step lint make BUILD=build lint
}

fuzz_smoke() {
    step build-fuzz build build-fuzz fuzz --cc=clang --enable-fuzz --enable-asan --enable-ubsan
    for target in build-fuzz/fuzz/*; do
        [ -f "$target" ] && [ -x "$target" ] || continue
        name=$(basename "$target")
        mkdir -p "$log/corpus/$name"
        rm -rf "$log/seeds/$name"
        tests/fuzz/corpus.py unpack "$name" "$log/seeds/$name"
        step "fuzz-$name" "$target" -runs=20000 -max_total_time="${FUZZ_SECONDS:-5}" -seed=1 \
            -timeout=20 -max_len=512 "$log/corpus/$name" "$log/seeds/$name"
    done
}

lab() {
    step build build build all --enable-werror
    step build-variants make -j"$jobs" lab-variants
    [ "$failed" -eq 0 ] || finish
    [ $# -gt 0 ] || set -- $(tests/lab/lab list)
    tests/lab/lab run "$@" >"$log/lab.log" 2>&1 &
    pid=$!
    tail -f --pid=$pid "$log/lab.log" 2>/dev/null | grep --line-buffered -v '^[0-9]* passed'
    wait $pid
    passed=$((passed + $(grep -c '^PASS ' "$log/lab.log")))
    n=$(grep -c '^FAIL ' "$log/lab.log")
    failed=$((failed + n))
    if [ "$n" -eq 0 ] && ! grep -q '^PASS ' "$log/lab.log"; then
        fail lab "$log/lab.log"
    fi
}

mkdir -p "$log"
tests/lab/packages.sh >"$log/packages.log" 2>&1 || { fail packages "$log/packages.log"; finish; }
case $mode in
all) unit; qtests; variants; fuzz_smoke; lab ;;
unit) unit; qtests ;;
lab) lab "$@" ;;
soak) unit; qtests; FUZZ_SECONDS=300 fuzz_smoke; LAB_SOAK=1 lab ;;
*) echo "usage: $0 [all|unit|lab [SCENARIO...]|soak]" >&2; exit 2 ;;
esac
finish
