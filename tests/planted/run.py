#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""planted - bring old bugs back, one at a time, and see that tests and fuzzers find them.

  tests/planted/run.py [--fuzz-seconds N] [--no-fuzz] [--check] [NAME...]

tests/planted/list has the bugs as replacements of text. They are made in a copy of the tree,
build/planted/src; sources carry no trace of them. For each bug every test named must fail, and the
fuzz target must find it, beginning with its stored corpus. --check only looks whether the texts are
where the list says. Ends with a table (also in build/planted/table.md) and `N found, N missed`.
"""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORK = ROOT / "build" / "planted"
SRC = WORK / "src"
BUILDS = {
    "asan": ["--enable-asan", "--enable-ubsan"],
    "fuzz": ["--cc=clang", "--enable-fuzz", "--enable-asan", "--enable-ubsan"],
}


class Bug:
    def __init__(self, name):
        self.name, self.what, self.tests, self.fuzz, self.edits = name, "", [], "-", []


def parse(path):
    """The list's own format; see its head."""
    bugs, part = [], None
    for line in path.read_text().splitlines(keepends=True):
        text = line.rstrip("\n")
        if text.startswith("== "):
            bugs.append(Bug(text[3:]))
            part = None
        elif part is None and (not text or text.startswith("#")):
            continue
        elif text == "--":
            part = "old"
        elif text == "++":
            part = "new"
        elif text.split(":")[0] in ("what", "test", "fuzz", "file") and text[4:6] == ": ":
            part = None
            key, value = text.split(": ", 1)
            if key == "file":
                bugs[-1].edits.append({"file": value, "old": "", "new": ""})
            elif key == "test":
                bugs[-1].tests.append(value.split())
            elif key == "fuzz":
                bugs[-1].fuzz = value
            else:
                bugs[-1].what = value
        elif part == "new" and not text:
            part = None  # a blank line ends a bug
        elif part:
            bugs[-1].edits[-1][part] += line
        else:
            sys.exit(f"{path}: what is '{text}'?")
    return bugs


def apply(bug, root):
    """The new texts by file; they are not written yet."""
    files = {}
    for edit in bug.edits:
        text = files.get(edit["file"]) or (root / edit["file"]).read_text()
        old, new = edit["old"].rstrip("\n"), edit["new"].rstrip("\n")
        if text.count(old) != 1:
            sys.exit(f"{bug.name}: {edit['file']} has {text.count(old)} times:\n{edit['old']}")
        files[edit["file"]] = text.replace(old, new)
    return files


def run(command, seconds, log):
    with open(log, "wb") as out:
        try:
            return subprocess.run(command, stdout=out, stderr=out, timeout=seconds,
                                  stdin=subprocess.DEVNULL, cwd=SRC).returncode
        except subprocess.TimeoutExpired:
            return 124


def make(build, targets):
    log = WORK / f"make-{build}.log"
    command = ["make", f"-j{os.cpu_count()}", f"BUILD=build-{build}"]
    status = run(command + [f"build-{build}/{t}" for t in targets], 1800, log)
    if status:
        print(log.read_text()[-2000:])
    return status == 0


def prepare(bugs, fuzz):
    names = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"],
                           cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\n")
    for name in filter(None, names):
        here, there = ROOT / name, SRC / name
        if not here.is_file():
            continue
        there.parent.mkdir(parents=True, exist_ok=True)
        if not there.exists() or there.read_bytes() != here.read_bytes():
            shutil.copy(here, there)
    for build in ["asan"] + (["fuzz"] if fuzz else []):
        if run(["./configure", f"--builddir=build-{build}"] + BUILDS[build], 100,
               WORK / "configure.log"):
            sys.exit("configure failed, see " + str(WORK / "configure.log"))
    if not make("asan", sorted({"tests/" + t[0] for b in bugs for t in b.tests})):
        sys.exit("the tests do not build")
    targets = sorted({b.fuzz for b in bugs if not b.fuzz.startswith("-")}) if fuzz else []
    if targets and not make("fuzz", ["fuzz/" + t for t in targets]):
        sys.exit("the fuzz targets do not build")
    for t in targets:
        shutil.rmtree(WORK / "corpus" / t, ignore_errors=True)
        subprocess.run([ROOT / "tests/fuzz/corpus.py", "unpack", t, WORK / "corpus" / t],
                       check=True)


def run_test(test, log):
    """Of several patterns, all must fail: each is a run of its own."""
    program = f"build-asan/tests/{test[0]}"
    results = [run([program] + ([p] if p else []), 40, log) for p in (test[1:] or [None])]
    return min(results)


def run_fuzz(target, seconds, log):
    found = WORK / "found"
    found.mkdir(exist_ok=True)
    own = WORK / "new" / target
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir(parents=True)
    command = [f"build-fuzz/fuzz/{target}", f"-max_total_time={seconds}", "-timeout=5", "-seed=1",
               "-max_len=256", f"-artifact_prefix={found}/", str(own),
               str(WORK / "corpus" / target)]
    return run(command, seconds + 60, log)


def clean_runs(bugs, fuzz):
    """Without a bug, everything passes: else a failure says nothing."""
    tests = {tuple(t) for b in bugs for t in b.tests}
    for t in sorted(tests):
        if all(run_test(list(t), WORK / "clean.log") for _ in range(3)):  # some mind a busy host
            sys.exit(f"{' '.join(t)} fails without a bug, see {WORK}/clean.log")
    for t in sorted({b.fuzz for b in bugs if not b.fuzz.startswith("-")}) if fuzz else []:
        if run_fuzz(t, 3, WORK / "clean.log") != 0:
            sys.exit(f"fuzz target {t} fails without a bug, see {WORK}/clean.log")


def plant(bug, args):
    """What the table says of it, and whether all is well."""
    files = apply(bug, SRC)
    before = {name: (SRC / name).read_text() for name in files}
    good, row = True, [bug.name, bug.what]
    fuzz = not args.no_fuzz and not bug.fuzz.startswith("-")
    try:
        for name, text in files.items():
            (SRC / name).write_text(text)
        if not make("asan", sorted({"tests/" + t[0] for t in bug.tests})) or (
                fuzz and not make("fuzz", ["fuzz/" + bug.fuzz])):
            return False, row + ["does not build", ""]
        cells = []
        for test in bug.tests:
            start = time.monotonic()
            status = run_test(test, WORK / f"{bug.name}-test.log")
            cells.append(" ".join(test) + (f": {time.monotonic() - start:.1f} s" if status
                                           else ": **missed**"))
            good = good and status != 0
        row.append("; ".join(cells))
        if fuzz:
            start = time.monotonic()
            status = run_fuzz(bug.fuzz, args.fuzz_seconds, WORK / f"{bug.name}-fuzz.log")
            row.append(f"{bug.fuzz}: " + (f"{time.monotonic() - start:.1f} s" if status
                                          else "**missed**"))
            good = good and status != 0
        else:
            row.append(bug.fuzz if bug.fuzz.startswith("-") else "not run")
    finally:
        for name, text in before.items():
            (SRC / name).write_text(text)
    return good, row


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fuzz-seconds", type=int, default=60)
    parser.add_argument("--no-fuzz", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    bugs = parse(ROOT / "tests/planted/list")
    for bug in bugs:
        apply(bug, ROOT)
        if not bug.tests or not bug.what:
            sys.exit(f"{bug.name}: no test, or no sentence")
    if args.check:
        return 0
    bugs = [b for b in bugs if not args.names or b.name in args.names]
    WORK.mkdir(parents=True, exist_ok=True)
    prepare(bugs, not args.no_fuzz)
    clean_runs(bugs, not args.no_fuzz)
    table = ["| bug | what it is | found by test | found by fuzz target |", "| --- | --- | --- | --- |"]
    missed = 0
    for bug in bugs:
        good, row = plant(bug, args)
        missed += not good
        print(("FOUND " if good else "MISSED ") + " | ".join(row), flush=True)
        table.append("| " + " | ".join(row) + " |")
    (WORK / "table.md").write_text("\n".join(table) + "\n")
    print(f"{len(bugs) - missed} found, {missed} missed")
    return missed != 0


if __name__ == "__main__":
    sys.exit(main())
