#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Says what the bench has to run, and what came of it.

    report.py runs [--quick|--cpus]
    report.py report [--quick|--check] KERNEL DIRECTORY COMMIT CPUS INSNS BOOT...

"runs" prints a line for each run of the guest. "report" reads what the guests
wrote (BOOT: with a clock that counts instructions; CPUS: with two CPUs, the
instructions of which are in INSNS), prints the table, and writes table.txt,
table.md, copies.md, results.json and the data for the pictures to DIRECTORY.
"""

import json
import os
import statistics
import sys

sys.dont_write_bytecode = True
from rows import BOTH, COPIES, PLACES, ROWS, SIZES, rows_of  # noqa: E402 (no .pyc beside the sources)

# Two CPUs, and submitters of their own: name, parameters
CPUS = [
    ("2 CPUs, 2 threads, 1 client", "src=/dev/n0 dst=/dev/n1 kb=4 depth=64 jobs=6400 warm=640 threads=2"),
    ("2 CPUs, 2 threads, 2 clients", "src=/dev/n0 dst=/dev/n1 kb=4 depth=64 jobs=6400 warm=640 threads=2 clients=2"),
    ("2 CPUs, 8 threads, 8 clients", "src=/dev/n0 dst=/dev/n1 kb=4 depth=64 jobs=6400 warm=640 threads=8 clients=8"),
    ("2 CPUs, 2 threads, 1 client, 64K", "src=/dev/n0 dst=/dev/n1 kb=64 depth=16 jobs=1600 warm=160 threads=2"),
]

def rows(quick):
    """The rows that are run."""
    return [row for row in ROWS if row.quick or not quick]


def print_runs(option):
    """The guest's work, a line a run."""
    if option == "--cpus":
        for name, params in CPUS:
            for engine in BOTH:
                print(f"{name}\t{engine}\t{params}")
        return
    for row in rows(option == "--quick"):
        for engine in row.engines:
            print(f"{row.name}\t{engine}\t{row.params}")
            if row.figure == "time" and option != "--quick":
                # Counting takes time, so it has a run of its own.
                print(f"{row.name}#switches\t{engine}\t{row.params} switches=1")


def read(path):
    """{(row, engine): {key: number}} of a guest's output."""
    results = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            name, _, text = line.strip().partition("\t")
            fields = dict(part.split("=") for part in text.split())
            engine = fields.pop("engine")
            results[name, engine] = {key: int(value) for key, value in fields.items()}
    return results


class Measured:
    """What all boots together say."""

    def __init__(self, boots):
        self.boots = boots

    def values(self, name, engine, key):
        """A figure in each boot; times are those of a job."""
        found = []
        for boot in self.boots:
            run = boot.get((name, engine))
            if run is None:
                continue
            value = run[key]
            found.append(value / run["jobs"] if key in ("ns", "busy_ns", "switches") else value)
        return found

    def get(self, name, engine, key="ns"):
        """The median of the boots, or None."""
        found = self.values(name, engine, key)
        return statistics.median(found) if found else None

    def spread(self, name, engine):
        """How far the boots' times are apart, in percent."""
        found = self.values(name, engine, "ns")
        return (max(found) - min(found)) / statistics.median(found) * 100 if found else 0


def number(row, key, default=None):
    """A number among the row's parameters."""
    return int(dict(part.partition("=")[::2] for part in row.params.split()).get(key, default))


def client_pages(row):
    """The pages that the row gives a client of ours."""
    return number(row, "pages", 2048)


def judge(row, measured):
    """(what is compared with MUST and AIM, how it is shown, reached, aim reached)"""
    ours = measured.get(row.name, "kcopyd")
    if ours is None:
        return None, "not measured", False, False
    if row.figure == "time":
        value = measured.get(row.name, "mainline") / ours
        return value, f"{value:.2f}x", value >= row.must, value >= row.aim
    if row.figure == "p99":
        value = measured.get(row.name, "kcopyd", "p99") / 1000
        return value, f"{value:.0f} us", value <= row.must, value <= row.aim
    if row.figure == "speed":
        base = next(other for other in ROWS if other.name == row.base)
        value = measured.get(base.name, "kcopyd") / number(base, "kb") / (ours / number(row, "kb"))
        return value, f"{value:.2f}x", value >= row.must, value >= row.aim
    if row.figure == "pages":
        value = measured.get(row.name, "kcopyd", "pages") - client_pages(row)
        return value, f"{value:.0f} more", value <= row.must, value <= row.aim
    if row.figure == "bytes":
        pages = measured.get(row.name, "kcopyd", "pages") - client_pages(row)
        value = pages * 4096 / number(row, "depth")
        return value, f"{value:.0f} B", value <= row.must, value <= row.aim
    return None, "", True, True


def show(row, measured, engine):
    """The figure of an engine, for a person."""
    key = {"p99": "p99", "pages": "pages", "bytes": "pages"}.get(row.figure, "ns")
    value = measured.get(row.name, engine, key)
    if value is None:
        return "-"
    if row.figure == "pages":
        return f"{value:.0f} pages"
    if row.figure == "bytes":
        value -= client_pages(row) if engine == "kcopyd" else 0
        return f"{value * 4096 / number(row, 'depth'):.0f} B"
    us = value / 1000
    if us >= 10_000_000:
        return f"{us / 1_000_000:.2f} s"
    return f"{us / 1000:.2f} ms" if us >= 1000 else f"{us:.1f} us" if us >= 100 else f"{us:.2f} us"


# A test is to show that something has got slower, not that a compiler is another.
CHECK_SLACK = 0.97


def limits(row):
    """MUST and AIM, for a person."""
    if not row.figure or not row.must:
        return "-"
    unit = {"p99": " us", "bytes": " B", "pages": ""}.get(row.figure, "x")
    return f"{row.must:g}{unit} ({row.aim:g}{unit})"


def table(quick, check, measured):
    """The table's lines, and how many rows reach what they must, and do not."""
    head = ["row", "mainline", "dm-io", "bios", "kcopyd", "result", "must (aim)", ""]
    lines, passed, failed = [head], 0, 0
    for row in rows(quick):
        if row.figure in ("", "copies"):
            continue
        value, shown, reached, aimed = judge(row, measured)
        verdict = "" if not row.must else "MISSED" if not reached else "ok" if aimed else "ok, not the aim"
        if row.must:
            if check and not reached and row.figure in ("time", "speed") and value is not None:
                reached = value >= row.must * CHECK_SLACK
            passed += reached
            failed += not reached
        lines.append([row.name] + [show(row, measured, engine) for engine in ("mainline", "dm_io", "bio", "kcopyd")]
                     + [shown, limits(row), verdict])
    return lines, passed, failed


def details(quick, measured):
    """Busy time, latency and context switches, for whoever wants to know."""
    lines = [["row", "engine", "time", "busy", "p50", "p99", "max", "pages", "switches"]]
    for row in rows(quick):
        for engine in row.engines if row.figure else ():
            if measured.get(row.name, engine) is None:
                continue
            us = [f"{measured.get(row.name, engine, key) / 1000:.2f}"
                  for key in ("ns", "busy_ns", "p50", "p99", "max")]
            switches = measured.get(row.name + "#switches", engine, "switches")
            lines.append([row.name, engine] + us + [f"{measured.get(row.name, engine, 'pages'):.0f}",
                                                    "-" if switches is None else f"{switches:.2f}"])
    return lines


def align(lines):
    """Columns of equal width."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines]


def markdown(lines):
    """The same for the README."""
    return "".join("| " + " | ".join(line) + " |\n" + ("| --- " * len(line) + "|\n" if i == 0 else "")
                   for i, line in enumerate(lines))


def cpus(path, insns):
    """Instructions for a job with two CPUs."""
    with open(insns, encoding="utf-8") as file:
        counts = [int(line.split()[1]) for line in file if line.startswith("run ")]
    runs = list(read(path).items())
    if len(counts) != len(runs):
        raise SystemExit(f"report.py: {len(runs)} runs with 2 CPUs, but {len(counts)} counts of instructions")
    found = {key: count / run["jobs"] for (key, run), count in zip(runs, counts)}
    lines = [["instructions a job", "mainline", "kcopyd", "ratio"]]
    for name, _ in CPUS:
        mainline, ours = found[name, "mainline"], found[name, "kcopyd"]
        lines.append([name, f"{mainline:.0f}", f"{ours:.0f}", f"{mainline / ours:.2f}x"])
    return lines, {f"{name}/{engine}": value for (name, engine), value in found.items()}


def copies(measured):
    """Instructions that the CPU spends on a GiB, by what copies it, and how many are missing."""
    expected = [row for row in ROWS if row.figure == "copies"]
    lines = [["instructions for a GiB"] + [cell for place in PLACES for cell in (f"device {place[0]}", "to kcopyd's")]]
    found, first = {}, {}
    for row in expected:
        busy = measured.get(row.name, row.engines[0], "busy_ns")
        if busy is not None:
            found[row.name] = busy / number(row, "kb") * (1 << 20)
    for label, _, _ in COPIES:
        line = [label]
        for place, _, _ in PLACES:
            value = found.get(f"{label}, {place}")
            # The first is what the others are compared with.
            base = first.setdefault(place, value)
            line += [f"{value / 1e6:.1f} million", f"{value / base:.2f}x"] if value and base else ["-", "-"]
        lines.append(line)
    return lines, found, len(expected) - len(found)


def pictures(directory, measured):
    """Data for gnuplot, and what it has to do."""
    script = ["set terminal svg size 760,420 font 'sans,12' background 'white'", "set logscale x 2", "set logscale y",
              "set xlabel 'KiB of a job'", "set key left top", "set grid",
              "set xtics ('4' 4,'16' 16,'64' 64,'256' 256,'1 M' 1024,'4 M' 4096,'16 M' 16384,'64 M' 65536,'256 M' 262144)"]
    for label, title in (("n0", "no delay"), ("t20", "20 us"), ("t80", "80 us"), ("hdd", "4 ms a request, one at a time")):
        for kind, unit in (("throughput", "MiB/s"), ("latency", "us, median")):
            plots = []
            for engine in ("kcopyd", "mainline", "dm_io", "bio"):
                data = os.path.join(directory, f"{label}-{kind}-{engine}.dat")
                with open(data, "w", encoding="utf-8") as file:
                    for kb in SIZES:
                        ns = measured.get(f"{label} {kb}K", engine)
                        if ns:
                            p50 = measured.get(f"{label} {kb}K", engine, "p50") / 1000
                            print(kb, kb / 1024 / (ns / 1e9) if kind == "throughput" else p50, file=file)
                plots.append(f"'{data}' with linespoints title '{engine.replace('_', '-')}'")
            script += [f"set output '{os.path.join(directory, f'{label}-{kind}.svg')}'",
                       f"set title '{kind}, device: {title}, 8 jobs in flight (1 above 16 MiB)'", f"set ylabel '{unit}'",
                       "plot " + ", ".join(plots)]
    with open(os.path.join(directory, "pictures.gp"), "w", encoding="utf-8") as file:
        print("\n".join(script), file=file)


def report(quick, check, kernel, directory, commit, cpus_path, insns, *boots):
    """Prints and writes everything; fails if a row does."""
    ROWS[:] = rows_of(kernel)
    measured = Measured([read(boot) for boot in boots])
    lines, passed, failed = table(quick, check, measured)
    cpu_lines, cpu_data = cpus(cpus_path, insns)
    copy_lines, copy_data, missing = copies(measured)
    failed += 0 if quick else missing
    spread = max(((measured.spread(row.name, engine), f"{row.name}, {engine}")
                  for row in rows(quick) if row.figure == "time" for engine in row.engines))
    text = [f"commit {commit}; kernel {kernel}; {len(boots)} boots; one instruction is one nanosecond", ""]
    text += align(lines) + [""] + align(cpu_lines) + [""]
    text += align(copy_lines) + [""] if not quick else []
    text += [f"The boots are at most {spread[0]:.2f} % apart ({spread[1]})."]
    text += [f"{passed} passed, {failed} failed"]
    print("\n".join(text[:-1]))

    def write(name, content):
        with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
            file.write(content)

    write("table.txt", "\n".join(text[:-2] + align(details(quick, measured)) + [""] + text[-2:]) + "\n")
    write("table.md", markdown(lines))
    if not quick:
        write("copies.md", markdown(copy_lines))
    write("results.json", json.dumps({
        "commit": commit,
        "kernel": kernel,
        "boots": [{f"{name}/{engine}": run for (name, engine), run in boot.items()} for boot in measured.boots],
        "cpus": cpu_data,
        "copies": copy_data,
    }, indent=1) + "\n")
    if not quick:
        pictures(directory, measured)
    return 1 if failed or not passed else 0


def main():
    """The command line."""
    command, *args = sys.argv[1:]
    if command == "runs":
        print_runs(args[0] if args else "")
        return 0
    check = args[0] == "--check"
    quick = args[0] == "--quick" or check
    return report(quick, check, *args[quick:])


if __name__ == "__main__":
    sys.exit(main())
