#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
#
# Holds the README and the documents to what can be tested. A command is a line of a literal
# block that begins with "$ "; what follows it there, up to the next one, is what it prints.
#
#	check.py		prints what is wrong:
#				- a command of the host that tests/docs/elsewhere does not have, or
#				  of which the file that it names has nothing; and one that it has
#				  and no document;
#				- a line that looks like a command and has no "$ ";
#				- *scenario: case*, *kcopyd_suite: case* and *unit: suite.test* that
#				  do not exist;
#				- a message of the FAQ that the sources do not have, and one of the
#				  engine's, the targets' and kcopyctl's that no document has;
#				- a version that is not that of the file VERSION;
#				- figures of the README that are not those of bench/results, and saved
#				  tables in which something else was to be reached.
#	check.py guest DIR	and writes all other commands there, for tests/system/scenarios/docs.sh:
#				a file for each document
import glob
import os
import re
import shlex
import sys

os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
sys.dont_write_bytecode = True
sys.path.insert(0, "bench")
from report import limits  # noqa: E402 (no .pyc beside the sources)
from rows import rows_of  # noqa: E402

documents = ["README.md"] + sorted(glob.glob("Documentation/*.rst"))
wrong = []

# What a line of a literal block begins with if it is a command.
known = set("""apt apt-get awk blkid blockdev cat cd cmp cp dd depmod dkms dmesg dmsetup
               dpkg-buildpackage e2fsck echo fio git grep insmod jq kcopyctl kill losetup lsblk
               lsmod lvchange lvconvert lvcreate lvremove lvs make mkfs mkfs.ext4 mkswap modinfo
               modprobe mokutil mount openssl perf pvcreate pvmove qemu-img rm rmmod sed sleep
               sudo sysctl systemctl trace-cmd umount until update-initramfs vgchange vgcreate
               watch""".split())


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def squeezed(text):
    return " ".join(text.split())


def tests_elsewhere():
    """The table: command -> the file that runs it, which has that text."""
    table = {}
    for number, line in enumerate(read("tests/docs/elsewhere").splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        command, file, text = (field.strip() for field in line.split(" | "))
        table[command] = file
        if text not in squeezed(read(file)):
            wrong.append(f"tests/docs/elsewhere:{number}: {file} has no '{text}'")
    return table


def commands(document):
    """(line number, command, what it prints) of each command."""
    found, output, indent = [], None, ""
    lines = iter(enumerate(read(document).splitlines(), 1))
    fence = False
    for number, line in lines:
        if line.startswith("```"):
            fence = not fence
        start = re.match(r"(\s+)\$ (.*)", line)
        if start:
            indent, command = start.groups()
            # A quoted text may go on in the next lines, too.
            while command.endswith("\\") or command.count("'") % 2:
                command += "\n" + next(lines)[1].removeprefix(indent)
            output = []
            found.append((number, command, output))
        elif output is not None and line.startswith(indent) and line.strip():
            output.append(line.strip())
        else:
            output = None
            block = "    " if document.endswith(".md") else "\t"
            word = line.removeprefix(block).split(" ")[0]
            if line.startswith(block) and not fence and (word in known or "/run.sh" in word):
                wrong.append(f"{document}:{number}: a command without '$ ': {line.strip()}")
    return found


def bare(command):
    """Without a comment."""
    return squeezed(re.sub(r"\s+#.*", "", command).replace("\\\n", " "))


def check_inline(document):
    """`make ...` and `tests/... ...` in the text."""
    for code in re.findall(r"(?<!`)(`{1,2})((?:make|tests/|bench/)[^`]*)\1", read(document)):
        words = squeezed(code[1]).split()
        used.add(" ".join(words))
        if words[0] == "make" and " ".join(words) not in table:
            wrong.append(f"{document}: no test runs '{' '.join(words)}': see tests/docs/elsewhere")
        elif words[0] != "make" and not os.path.exists(words[0]):
            wrong.append(f"{document}: there is no {words[0]}")
        elif words[0] == "tests/system/run.sh":
            wrong.extend(f"{document}: there is no scenario {word}" for word in words[1:]
                         if re.fullmatch("[a-z-]+", word) and not word.startswith("--")
                         and not os.path.exists(f"tests/system/scenarios/{word}.sh"))


def check_cases(document):
    """The tests that a document names."""
    scenarios = "tests/system/scenarios/{}.sh"
    kunit = [read(path) for path in glob.glob("tests/kunit/*.c")]
    unit = "\n".join(map(read, glob.glob("tests/unit/*.cpp")))
    for where, case in re.findall(r"(?<!\*)\*([a-z_-]+): ([^*]+)\*(?!\*)", read(document)):
        case = squeezed(case)
        if where == "unit":
            there = f"TEST({case.replace('.', ', ')})" in unit
        elif where.startswith("kcopyd_"):
            there = any(f'"{where}"' in suite and re.search(
                rf"KUNIT_CASE(_PARAM|_SLOW)?\({case}\b", suite) for suite in kunit)
        else:
            path = scenarios.format(where)
            there = os.path.exists(path) and any(
                quote + case + quote in read(path) for quote in "'\"")
        if not there:
            wrong.append(f"{document}: there is no test '{where}: {case}'")


def sources(*paths):
    """The text of these files and directories, with adjacent strings in one."""
    files = [path for path in paths if os.path.isfile(path)]
    files += [os.path.join(place, name) for path in paths for place, _, names in os.walk(path)
              for name in names if not name.startswith(".") and not name.endswith((".o", ".ko"))]
    return re.sub(r'"\s*"', "", "\n".join(map(read, files)))


def missing(pieces, text):
    """Those of the pieces of a message that are no mere punctuation, and not in the text."""
    return [piece for piece in (piece.strip(" ,;:()") for piece in pieces)
            if len(piece) > 5 and piece not in text]


def check_told():
    """Each message of the modules and kcopyctl, but for its numbers, is in some document."""
    told = squeezed("\n".join(map(read, documents)))
    code = sources("kcopyd.c", "core", "targets", "samples/copy")
    arguments = re.findall(r"\b(?:pr_err\w*|pr_warn\w*|kcopyd_reject|fail|refuse|invalidate|log)"
                           r"\((.*?)\);", code, re.S)
    arguments += re.findall(r"(?:return|wrong =|flaw =|:) (\"[^;\n]*);", code)
    for argument in arguments:
        for message in re.findall(r'"((?:[^"\\]|\\.)* (?:[^"\\]|\\.)*)"', argument):
            said = re.split(r"%[#.*\d]*(?:ll)?(?:p[a-zA-Z]|[a-z])|\\n", message)
            if missing(said, told):
                wrong.append(f"no document has the message '{message}'")
    arguments = re.findall(r"\b(?:failure|also_wrong)\((.*?)\);", sources("tools/kcopyctl"), re.S)
    arguments += re.findall(r"return (?:{ exit_\w+,\s*)?(?:fmt::format\(\s*)?(\"[^;]*);", sources(
        "tools/kcopyctl/devices.hpp", "tools/kcopyctl/outcome.hpp"))
    for argument in arguments:
        for message in re.findall(r'"((?:[^"\\]|\\.)* (?:[^"\\]|\\.)*)"', argument):
            if missing(re.split(r"{[^{}]*}", message.replace('\\"', '"')), told):
                wrong.append(f"no document has kcopyctl's message '{message}'")


def check_messages(document):
    """Each term of the FAQ's lists, but for what is in <>, is somewhere in the sources."""
    code = sources("kcopyd.c", "core", "targets", "compat", "include", "samples", "tools", "dkms",
                   "tests/qemu", "bench", "Makefile", "Kbuild",
                   "Documentation/build.sh").replace('\\"', '"')
    for message in re.findall(r"^``(.*)``$", read(document), re.M):
        pieces = re.split(r"<[^<>]*>", message)
        if missing(pieces, code) or max(map(len, pieces)) < 6:
            wrong.append(f"{document}: no source says '{message}'")


table = tests_elsewhere()
hosts = {command.split()[0] for command in table}
used = set()
for document in documents:
    here = []
    for number, command, output in commands(document):
        if bare(command) in table:
            used.add(bare(command))
        elif command.split()[0] in hosts:
            wrong.append(f"{document}:{number}: no test runs '{bare(command)}': "
                         "see tests/docs/elsewhere")
        else:
            here.append((number, command, output))
    check_inline(document)
    check_cases(document)
    if document.endswith("/faq.rst"):
        check_messages(document)
        check_told()
    if len(sys.argv) > 2 and here:
        os.makedirs(sys.argv[2], exist_ok=True)
        with open(os.path.join(sys.argv[2], os.path.basename(document)), "w",
                  encoding="utf-8") as file:
            for number, command, output in here:
                file.write(" ".join(map(shlex.quote, ["step", str(number), command,
                                                      "\n".join(output)])) + "\n")

version = read("VERSION").strip()
if not read("debian/changelog").startswith(f"kcopyd ({version})"):
    wrong.append(f"debian/changelog: its first version is not {version}")
for document in documents:
    wrong += [f"{document}: kcopyd/{other} is not kcopyd/{version}"
              for other in re.findall(r"\bkcopyd/(\d[\w.]*)", read(document)) if other != version]
for results in "bench/results/table.md", "bench/results/copies.md":
    if read(results) not in read("README.md"):
        wrong.append(f"README.md: its figures are not those of {results}")
# The table of 7.3 has the rows that are repeated in each boot.
for results, kernel in ("bench/results", "6.1"), ("bench/results/7.3", "7.3"):
    saved = [[cell.strip() for cell in line.split("|")] for line in read(f"{results}/table.md").splitlines()]
    limit = {line[1]: line[7] for line in saved}
    wrong += [f"{results}/table.md: it is older than the row '{row.name}'" for row in rows_of(kernel)
              if row.figure not in ("", "copies") and (row.quick or kernel == "6.1")
              and limit.get(row.name) != limits(row)]
wrong += [f"tests/docs/elsewhere: no document has '{command}'" for command in table
          if command not in used]
if wrong:
    sys.exit("\n".join(wrong))
