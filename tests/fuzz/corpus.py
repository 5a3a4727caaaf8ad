#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""corpus - the stored inputs of the fuzz targets: tests/fuzz/corpus/TARGET, a line of hex for each.

  corpus.py unpack TARGET DIR    a file in DIR for each line, as libFuzzer wants them
  corpus.py pack TARGET DIR      the other way; DIR holds a minimised corpus (-merge=1)
"""
import hashlib
import pathlib
import sys

STORE = pathlib.Path(__file__).resolve().parent / "corpus"


def unpack(target, folder):
    folder.mkdir(parents=True, exist_ok=True)
    store = STORE / target
    lines = store.read_text().split() if store.exists() else []
    for line in lines:
        data = bytes.fromhex(line)
        (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)


def pack(target, folder):
    inputs = sorted({f.read_bytes() for f in folder.iterdir()}, key=lambda d: (len(d), d))
    STORE.mkdir(exist_ok=True)
    (STORE / target).write_text("".join(d.hex() + "\n" for d in inputs if d))


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in ("unpack", "pack"):
        sys.exit(__doc__)
    (unpack if sys.argv[1] == "unpack" else pack)(sys.argv[2], pathlib.Path(sys.argv[3]))
