#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# check - run the tests: unit and device tests under sanitizers, qtest-port tests, fuzz smoke, then
# real Xen.
#   tests/check.sh [all|unit|qtest|lab [SCENARIO...]|soak]
# Ends with the seconds that each stage took and a line `N passed, N failed`; details are in
# build/check/*.log.
set -u
cd "$(dirname "$0")/.." || exit 1

mode=${1:-all}
[ $# -eq 0 ] || shift
log=build/check
passed=0 failed=0
start=$(date +%s) seconds=
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
    printf 'Seconds: %stotal %d\n' "$seconds" $(($(date +%s) - start))
    printf '%d passed, %d failed\n' "$passed" "$failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
    exit
}
# stage FUNCTION...: part of a run whose time is told at the end
stage() {
    stage=$1 stage_start=$(date +%s)
    "$@"
    seconds="$seconds$stage $(($(date +%s) - stage_start)), "
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
        timeout 1800 "{}" >"$LOG/$name.log" 2>&1
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

run_and_report() {
    run_all "$@"
    for program in "$@"; do
        report_tests "$program"
    done
}

unit_programs() {
    find build-asan/tests -maxdepth 1 -perm -u+x -type f \( -name 'hw-*' -o -name 'unit-*' \) | sort
}

# These single-step processes, or wait for many to die; minutes.
slow='unit-(recover|blkback|supervisor|upgrade)'

# shellcheck disable=SC2046 # names without blanks
unit() {
    step build-asan build build-asan tests --enable-asan --enable-ubsan --enable-werror
    [ "$failed" -eq 0 ] || finish
    run_and_report $(unit_programs | grep -vE "$slow")
}

# shellcheck disable=SC2046
slow_unit() {
    run_and_report $(unit_programs | grep -E "$slow")
}

# Clients of the test port against the whole program; seconds.
qtests() {
    step build-qtests build build-asan qtests --enable-asan --enable-ubsan --enable-werror
    run_and_report build-asan/tests/qtest-*
}

# What could not be installed is refused at once.
refused_prefixes() {
    for prefix in '' usr 'usr/my local' '/usr/my local' '/usr/$' '/usr/"' '/usr/#1'; do
        ! said=$(./configure --builddir="$log/refused" --prefix="$prefix" 2>&1) || return 1
        echo "$said" | grep -F "configure: --prefix=$prefix " || return 1
    done
}

# Without Xen's libraries there is a test port, and a guest is refused.
programs_no_xen() {
    make -j"$jobs" BUILD=build-no-xen programs && build-no-xen/hvmdm-model --version &&
        printf 'inl 0xcfc\n' | build-no-xen/hvmdm-model -qtest stdio -qtest-log none | grep OK &&
        ! said=$(build-no-xen/hvmdm-model -xen-domid 1 -machine xenfv -m 64 2>&1) &&
        echo "$said" | grep 'built without Xen'
}

variants() {
    step build-clang build build-clang tests --cc=clang --enable-werror
    step build-no-xen build build-no-xen tests --disable-xen --enable-werror
    step programs-no-xen programs_no_xen
    step refused-prefixes refused_prefixes
    step lint make BUILD=build lint
}

# What `fuzz_smoke` does with each target.
fuzz_one() {
    mkdir -p "$log/corpus/$1"
    rm -rf "$log/seeds/$1"
    tests/fuzz/corpus.py unpack "$1" "$log/seeds/$1"
    "build-fuzz/fuzz/$1" -runs=20000 -max_total_time="${FUZZ_SECONDS:-5}" -seed=1 -timeout=20 \
        -max_len=512 "$log/corpus/$1" "$log/seeds/$1"
}

fuzz_smoke() {
    step build-fuzz build build-fuzz fuzz --cc=clang --enable-fuzz --enable-asan --enable-ubsan
    targets=$(find build-fuzz/fuzz -maxdepth 1 -type f -perm -u+x -printf '%f\n' | sort)
    # shellcheck disable=SC2016 # for the inner shell
    echo "$targets" | LOG=$log xargs -P "$jobs" -I '{}' sh -c '
        tests/check.sh fuzz-one "{}" >"$LOG/fuzz-{}.log" 2>&1
        echo $? >"$LOG/fuzz-{}.status"'
    for name in $targets; do
        if [ "$(cat "$log/fuzz-$name.status")" -eq 0 ]; then
            pass "fuzz-$name"
        else
            fail "fuzz-$name" "$log/fuzz-$name.log"
        fi
    done
}

# Clients of the test port, slow tests, other compilers, lint and fuzzers use the processors that the lab, which has one, leaves idle.
beside_the_lab() {
    nice -n 10 tests/check.sh beside >"$log/beside.log" 2>&1 &
    beside=$!
}

join_beside() {
    wait "$beside"
    grep -v -e '^[0-9]* passed' -e '^Seconds: ' "$log/beside.log"
    seconds="${seconds}beside the lab ($(sed -n 's/^Seconds: //p' "$log/beside.log")), "
    counts=$(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$log/beside.log" | tail -n 1)
    if [ -n "$counts" ]; then
        passed=$((passed + ${counts% *})) failed=$((failed + ${counts#* }))
    else
        fail beside "$log/beside.log"
    fi
}

# What builds of two layouts have left (tests/unit/domain_arenas.h): the newer one takes both, the older
# one its own.
stored_arenas() {
    new=build/variants/layout2/hvmdm-model
    for layout in 1 2; do
        cp "tests/unit/arena.layout$layout" "$log/arena$layout" && truncate -s 1M "$log/arena$layout" || return 1
    done
    build/hvmdm-model --check-arena 3 3<>"$log/arena1" && "$new" --check-arena 3 3<>"$log/arena1" &&
        "$new" --check-arena 3 3<>"$log/arena2" &&
        ! said=$(build/hvmdm-model --check-arena 3 2>&1 3<>"$log/arena2") &&
        echo "$said" | grep 'test_layout is not known to this version'
}

build_for_lab() {
    step build build build all --enable-werror
    step build-variants make -j"$jobs" lab-variants
    step stored-arenas stored_arenas
    [ "$failed" -eq 0 ] || finish
}

lab() {
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
case $mode in
beside | fuzz-one) ;; # by ourselves
*) tests/lab/packages.sh >"$log/packages.log" 2>&1 || { fail packages "$log/packages.log"; finish; } ;;
esac
case $mode in
all) stage unit; stage build_for_lab; beside_the_lab; stage lab; stage join_beside ;;
beside) stage qtests; stage slow_unit; stage variants; stage fuzz_smoke ;;
fuzz-one) fuzz_one "$@"; exit ;;
unit) stage unit; stage slow_unit; stage qtests ;;
qtest) stage qtests ;;
lab) stage build_for_lab; stage lab "$@" ;;
soak)
    stage unit; stage slow_unit; stage qtests
    FUZZ_SECONDS=300 stage fuzz_smoke
    stage build_for_lab
    LAB_SOAK=1 stage lab
    ;;
*) echo "usage: $0 [all|unit|qtest|lab [SCENARIO...]|soak]" >&2; exit 2 ;;
esac
finish
