#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# lint - layout, layers, docs/advisories.md, texts of planted bugs, clang-tidy with the profile .clang-tidy.
#   tests/lint/run.sh [BUILD]
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${1:-build}
bad=0

files=$(git ls-files '*.c' '*.h')
# shellcheck disable=SC2086
clang-format --dry-run --Werror $files || bad=1
tests/lint/layers.sh || bad=1
tests/lint/advisories.py || bad=1
tests/planted/run.py --check || bad=1
sources=$(git ls-files '*.c' | grep -v '^tests/')
# shellcheck disable=SC2086
printf '%s\n' $sources | xargs -P "$(nproc)" -n 6 clang-tidy -p "$build" --quiet \
    --warnings-as-errors='*' 2>/dev/null || bad=1
exit $bad
