#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""advisories - docs/advisories.md says what is true; silent when all is well.

Tests that it names exist and are run, tests named after an advisory are on it, planted bugs that it
names are in the list, "no device" is said of what does not exist, and no device calls assert (S24).
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = "docs/advisories.md"
# What may end the process: limits that are constants of a device's source, looked at when it is
# realized; what only tests have.
MAY_END = re.compile(r"ioreq/(pv_)?sim|hw/test/|.*a constant of the device's source")

bad = []


def sources(*patterns):
    names = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard",
                            *patterns], cwd=ROOT, check=True, capture_output=True,
                           text=True).stdout.split()
    return [n for n in names if (ROOT / n).exists()]


def text_of(name):
    return (ROOT / name).read_text()


def tests_in(text):
    """Names that are registered: by TEST(), or in an array of cmocka's, maybe in another file."""
    names = set(re.findall(r"^TEST\(\w+, (\w+)\)", text, re.M))
    functions = set(re.findall(r"^static void (\w+)\(void \*\*state\)", text, re.M))
    for name in functions:
        if len(re.findall(rf"\b{name}\b", every_test)) > 1:
            names.add(name)
    return names


page = text_of(PAGE)
every_test = "".join(text_of(n) for n in sources("tests/unit/*.[ch]"))
known = {n: tests_in(text_of(n)) for n in sources("tests/hw/*", "tests/unit/*.[ch]")}
named = set()
for path, test in re.findall(r"`((?:hw|unit)/\w+\.[ch])(?::(\w+))?`", page):
    path = "tests/" + path
    if path not in known:
        bad.append(f"{path} does not exist")
    elif test and test not in known[path]:
        bad.append(f"{path} has no test {test}")
    named.add((path, test))

for path, names in known.items():
    for name in sorted(names):
        if re.match(r"(xsa|cve|qubes|xcpng)_?\d*", name) and (path, name) not in named:
            bad.append(f"{path}: {name} is not on the page")

checks = set(re.findall(r'\{ "(generic\.\w+)"', text_of("tests/generic.c") +
                        text_of("tests/generic_rules.c")))
for name in set(re.findall(r"\bgeneric\.(?!c\b|h\b)(\w+)", page)):
    if "generic." + name not in checks:
        bad.append(f"there is no check generic.{name}")

planted = set(re.findall(r"^== (\S+)", text_of("tests/planted/list"), re.M))
for line in page.splitlines():
    cells = [c.strip() for c in line.strip("|").split("|")]
    if not line.startswith("| ") or len(cells) != 4 or cells[0].startswith(("---", "advisory", "CVE or commit")):
        continue
    if cells[2].startswith("no device: "):
        for part in cells[2][len("no device: "):].split(", "):
            there = [n for n in sources("hw/*", "display/*") if
                     re.search(rf"/{part}\w*\.c$", n)]
            if there:
                bad.append(f"'{cells[0]}' says that there is no {part}, but there is {there[0]}")
        continue
    if cells[2].startswith("no code of ours"):
        continue
    if "`" not in cells[2] and "generic." not in cells[2]:
        bad.append(f"'{cells[0]}' has no test")
    plain = re.fullmatch(r"[a-z0-9-]+(, [a-z0-9-]+)*", cells[3])
    for name in cells[3].split(", ") if plain else []:
        if name not in planted and name != "rule":
            bad.append(f"'{cells[0]}': there is no planted bug {name}")
    if not cells[3]:
        bad.append(f"'{cells[0]}' does not say how its test can fail")

for name in sources("hw/*.c", "hw/*.h", "ioreq/*.c", "ioreq/*.h"):
    for number, line in enumerate(text_of(name).splitlines(), 1):
        if (re.search(r"(?<!static_)\b(assert|abort|_?exit)\(", line) and
                not MAY_END.match(name) and not MAY_END.match(line)):
            bad.append(f"{name}:{number}: {line.strip()}")

for line in bad:
    print(f"{PAGE}: {line}")
sys.exit(bool(bad))
