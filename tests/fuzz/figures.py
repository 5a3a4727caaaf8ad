#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""figures - how quick the fuzz targets are, and how much of our code they reach.

  tests/fuzz/figures.py [--seconds N] [TARGET...]

Speed: built by clang with libFuzzer's instrumentation and without sanitizers; 64 random inputs of 100
bytes, each executed 500 times with the full reset after it; executions per second of CPU time, of one
core. Coverage: branches of the target's own files taken at least once, after N seconds (60) of fuzzing
that begin with the stored corpus, and with the stored corpus alone. The table goes to standard output.
"""
import argparse
import pathlib
import random
import re
import resource
import shutil
import subprocess
import sys

SIZE = 100
ROOT = pathlib.Path(__file__).resolve().parents[2]
WORK = ROOT / "build" / "figures"
# Targets with more than hw/*/TARGET.c.
FILES = {
    "piix3_ide": ["hw/storage/piix3_ide.c", "hw/storage/ide.c", "hw/storage/ata.c",
                  "hw/storage/atapi.c", "hw/storage/bmide.c"],
    "stdvga": ["hw/video/stdvga.c", "hw/video/vga.c", "hw/video/vga_render.c"],
    "i8042": ["hw/input/i8042.c", "hw/input/ps2.c"],
    "xen_platform": ["hw/xen/platform.c"],
    "slots": ["ioreq/slots.c", "ioreq/request.c"],
    "net": ["net/frames.c", "net/offload.c"],
    "broker": ["toolstack/supervisor/broker.c", "toolstack/supervisor/broker_rules.c"],
    "qmp": ["toolstack/qmp.c", "toolstack/qmp_commands.c", "toolstack/json_scan.c"],
}


def build(folder, *options):
    subprocess.run(["./configure", f"--builddir={folder}", "--cc=clang", "--enable-fuzz",
                    *options], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["make", "-s", "-j2", f"BUILD={folder}", "fuzz"], cwd=ROOT, check=True,
                   stdout=subprocess.DEVNULL)


def files_of(target):
    return FILES.get(target) or [str(f.relative_to(ROOT)) for f in ROOT.glob(f"hw/*/{target}.c")]


def cpu():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def speed(target):
    """Executions per CPU second, accesses per input."""
    folder = WORK / "random"
    folder.mkdir(parents=True, exist_ok=True)
    source = random.Random(1)
    names = [str(folder / str(i)) for i in range(64)]
    for name in names:
        pathlib.Path(name).write_bytes(source.randbytes(SIZE))
    program = str(ROOT / "build/figures/speed/fuzz" / target)
    command = ["env", "FUZZ_FIGURES=1", program]
    base = cpu()
    subprocess.run(command + ["-runs=1"] + names, check=True, capture_output=True)
    start = cpu()
    out = subprocess.run(command + ["-runs=500"] + names, check=True, capture_output=True,
                         text=True).stderr
    spent = cpu() - start - (start - base)
    said = re.search(r"inputs (\d+) accesses (\d+)", out)
    accesses = f"{int(said[2]) / int(said[1]):.0f}" if said else "-"
    return 499 * len(names) / spent, accesses


def branches(target):
    """Taken and all branches of the target's files since the counters were cleared."""
    taken = total = 0
    for name in files_of(target):
        stem = ROOT / "build/figures/cov/obj" / name[:-2]
        out = subprocess.run(["llvm-cov", "gcov", "-b", "-n", f"{stem}.gcda"], cwd=ROOT,
                             capture_output=True, text=True).stdout
        part = re.search(rf"File '[^']*{re.escape(name)}'\n.*\n.*\n"
                         r"Taken at least once:([\d.]+)% of (\d+)", out)
        if part:
            total += int(part[2])
            taken += round(float(part[1]) / 100 * int(part[2]))
    return f"{100 * taken / total:.1f} %" if total else "none there"


def coverage(target, seconds):
    corpus, new = WORK / "corpus" / target, WORK / "new" / target
    for folder in (corpus, new):
        shutil.rmtree(folder, ignore_errors=True)
    new.mkdir(parents=True)
    subprocess.run([ROOT / "tests/fuzz/corpus.py", "unpack", target, corpus], check=True)
    program = str(ROOT / "build/figures/cov/fuzz" / target)
    result = []
    for options in (["-runs=0"], [f"-max_total_time={seconds}", "-seed=1"]):
        for old in (ROOT / "build/figures/cov/obj").rglob("*.gcda"):
            old.unlink()
        done = subprocess.run([program, "-max_len=512", "-timeout=20", *options,
                               f"-artifact_prefix={WORK}/", str(new), str(corpus)],
                              capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{target}: {done.stderr[-2000:]}")
        result.append(branches(target))
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("targets", nargs="*")
    args = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    build("build/figures/speed")
    build("build/figures/cov", "--enable-coverage")
    known = sorted(f.name for f in (ROOT / "build/figures/speed/fuzz").iterdir())
    print(f"| target | executions per second and core | accesses per input | "
          f"branches, stored corpus | branches, {args.seconds} s more |\n"
          "| --- | ---: | ---: | ---: | ---: |")
    for target in args.targets or known:
        rate, accesses = speed(target)
        stored, more = coverage(target, args.seconds)
        print(f"| {target} | {rate:,.0f} | {accesses} | {stored} | {more} |", flush=True)


if __name__ == "__main__":
    main()
