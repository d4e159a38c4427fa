# SPDX-License-Identifier: GPL-2.0-only
"""What is measured, and what has to be reached.

A row is one load. It is run with each of its engines, in the same boot, and
judged by one figure:

    time     mainline's time for a job / ours; at least MUST, if possible AIM
    p99      ours, in microseconds; at most MUST
    speed    ours in the row BASE / ours in this one, a KiB
    pages    pages held at the peak beyond the client's own
    bytes    memory for a queued job
    copies   not judged: instructions for a GiB, beside other ways to copy
"""

from dataclasses import dataclass, field, replace

ALL = ("mainline", "kcopyd", "dm_io", "bio")
BOTH = ("mainline", "kcopyd")
OURS = ("kcopyd",)


@dataclass
class Row:
    """A load, and what has to be reached."""

    name: str
    params: str
    must: float = 0.0
    aim: float = 0.0
    figure: str = "time"
    engines: tuple = ALL
    quick: bool = True
    base: str = ""      # the row that "speed" compares with
    runs: dict = field(default_factory=dict)


N0 = "src=/dev/n0 dst=/dev/n1"
N8 = "src=/dev/n0 dst=" + ",".join(f"/dev/n{i}" for i in range(1, 9))
T20 = "src=/dev/t20a dst=/dev/t20b"
T80 = "src=/dev/t80a dst=/dev/t80b"
HDD = "src=/dev/hdda dst=/dev/hddb"
BESIDE = f"{T20} kb=4 depth=1 warm=20 bg_src=/dev/n0 bg_dst=/dev/hddb"

ROWS = [
    Row("n0 4K QD1", f"{N0} kb=4 depth=1 jobs=4000", 1.25, 1.35),
    Row("n0 4K QD64 random", f"{N0} kb=4 depth=64 jobs=6400 warm=640", 1.5, 1.65),
    Row("n0 4K QD64 sequential", f"{N0} kb=4 depth=64 jobs=6400 warm=640 sequential=1", 1.5, 1.65),
    Row("n0 64K QD8", f"{N0} kb=64 depth=8 jobs=1600", 3.2, 3.5),
    Row("n0 512K QD8", f"{N0} kb=512 depth=8 jobs=640", 5.5, 5.9),
    Row("n0 512K QD64", f"{N0} kb=512 depth=64 jobs=640 warm=128", 6.3, 6.7),
    Row("n0 1M QD512", f"{N0} kb=1024 depth=512 jobs=1024 warm=512", 7, 7.3),
    Row("n0 16M QD1", f"{N0} kb=16384 depth=1 jobs=16 warm=2", 5.5, 5.8, engines=BOTH),
    Row("n0 4K QD64, 8 destinations", f"{N8} kb=4 depth=64 jobs=3200 warm=640", 1.1, 1.15),
    Row("n0 512K QD64, 8 destinations", f"{N8} kb=512 depth=64 jobs=320 warm=128", 2.3, 2.5),
    Row("t20 4K QD1", f"{T20} kb=4 depth=1 jobs=1000", 1.04, 1.07),
    Row("t20 512K QD1", f"{T20} kb=512 depth=1 jobs=320", 3, 3.8),
    Row("hdd 4K QD8 sequential", f"{HDD} kb=4 depth=8 jobs=400 sequential=1", 0.99, 1.0),
    Row("hdd 4K QD64 sequential", f"{HDD} kb=4 depth=64 jobs=1280 warm=128 sequential=1", 0.99, 1.0),
    Row("hdd 512K QD64", f"{HDD} kb=512 depth=64 jobs=640 warm=128 sequential=1", 4, 4.5),
    Row("hdd 16M QD1", f"{HDD} kb=16384 depth=1 jobs=16 warm=2 sequential=1", 3.2, 3.9, engines=BOTH),
    Row("brd 512K QD64", "src=/dev/ram0 dst=/dev/ram1 kb=512 depth=64 jobs=320 warm=128", 1.9, 2),
    Row("memory-backed 512K QD64", "src=/dev/mema dst=/dev/memb kb=512 depth=64 jobs=320 warm=128", 1.9, 2),
    Row("drop-in n0 64K QD8", f"{N0} kb=64 depth=8 jobs=1600 calls=dropin", 1, 3, engines=BOTH),
    Row("drop-in n0 512K QD8", f"{N0} kb=512 depth=8 jobs=640 calls=dropin", 1, 5.5, engines=BOTH),
    Row("drop-in hdd 512K QD64", f"{HDD} kb=512 depth=64 jobs=640 warm=128 sequential=1 calls=dropin", 1, 4, engines=BOTH),
    Row("drop-in hdd 16M QD1", f"{HDD} kb=16384 depth=1 jobs=16 warm=2 sequential=1 calls=dropin", 1, 3.2, engines=BOTH),
    Row("4K beside a 1 GiB job to hdd", f"{BESIDE} jobs=400 bg_kb=1048576 bg_depth=1", 150, 90, "p99", BOTH),
    Row("4K beside 8 x 64 MiB to hdd", f"{BESIDE} jobs=200 bg_kb=65536 bg_depth=8", 150, 90, "p99", BOTH),
    Row("4K beside 512 x 4K to hdd", f"{BESIDE} jobs=100 bg_kb=4 bg_depth=512", 150, 90, "p99", BOTH),
    Row("pages of 512 x 1 MiB to hdd", f"{HDD} kb=1024 depth=512 jobs=16 warm=520 pages=8192", 200, 200, "pages", BOTH),
    Row("speed with 32 MiB", f"{N0} kb=1024 depth=512 jobs=1024 warm=512 pages=8192", 0.98, 1,
        "speed", OURS, base="speed with 128 MiB"),
    Row("speed with 8 MiB", f"{N0} kb=1024 depth=512 jobs=1024 warm=512 pages=2048", 0, 0.98,
        "speed", OURS, base="speed with 128 MiB"),
    Row("speed with 128 MiB", f"{N0} kb=1024 depth=512 jobs=1024 warm=512 pages=32768", 0, 0, "", OURS),
    Row("memory of a 4K job", f"{HDD} kb=4 depth=16384 jobs=1024 warm=64 sequential=1", 512, 384, "bytes", BOTH),
]

# MUST and AIM where they are others. In 7.3 null_blk makes requests of n0's bios too, and
# splits and merges them; and its memory is dearer. What devices take, beside which there is
# nothing to win, is a larger part of all times.
OF_KERNEL = {
    "7.3": {
        "n0 4K QD1": (1.2, 1.3),
        "n0 4K QD64 random": (1.3, 1.45),
        "n0 4K QD64 sequential": (1.45, 1.65),
        "n0 64K QD8": (2.8, 3.2),
        "n0 512K QD8": (4.5, 5),
        "n0 512K QD64": (4.5, 5),
        "n0 1M QD512": (4.5, 5),
        "n0 16M QD1": (4.5, 5),
        "n0 4K QD64, 8 destinations": (1.05, 1.1),
        "n0 512K QD64, 8 destinations": (1.9, 2.1),
        "brd 512K QD64": (1.5, 1.7),
        "memory-backed 512K QD64": (1.5, 1.7),
        "4K beside a 1 GiB job to hdd": (200, 150),
        "4K beside 8 x 64 MiB to hdd": (200, 150),
        "4K by requests": (0.8, 0.95),
        "4K from C++": (0.96, 0.99),
    },
}

# Throughput and latency against the size of a job, for the pictures
SIZES = (4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16384, 65536, 262144)
for device, label in ((N0, "n0"), (T20, "t20"), (T80, "t80"), (HDD, "hdd")):
    for kb in SIZES:
        depth = 8 if kb <= 16384 else 1
        ROWS.append(Row(f"{label} {kb}K", f"{device} kb={kb} depth={depth} jobs={max(2 * depth, min(400, 65536 // kb))}"
                        f" warm={depth}", figure="", engines=BOTH if kb > 1024 else ALL, quick=False))

# What other calls cost than kcopyd_copy(): a request that tells more, and C++
ROWS += [
    Row("4K by requests", f"{N0} kb=4 depth=64 jobs=6400 warm=640 calls=request", 0.85, 0.95, "speed", OURS,
        base="n0 4K QD64 random"),
    Row("4K from C++", f"{N0} kb=4 depth=64 jobs=6400 warm=640 calls=cpp", 0.985, 0.99, "speed", OURS,
        base="n0 4K QD64 random"),
    Row("4K by requests from C++", f"{N0} kb=4 depth=64 jobs=6400 warm=640 calls=cpp-request", 0.985, 0.99, "speed", OURS,
        base="4K by requests"),
]

# The same work however much is queued, whoever queues it, and however large it is
ROWS += [
    Row("100,000 queued jobs", f"{N0} kb=4 depth=100000 jobs=200000 warm=100000", 0.9, 0.95, "speed", OURS,
        quick=False, base="n0 4K QD64 random"),
    Row("1,000 clients", f"{N0} kb=4 depth=1000 jobs=20000 warm=2000 clients=1000 pages=16", 0.9, 0.95, "speed", OURS,
        quick=False, base="n0 4K QD1"),
    Row("1 TiB in one job", f"{N0} kb={1 << 30} depth=1 jobs=1 warm=0", 0.9, 0.95, "speed", OURS,
        quick=False, base="n0 16M QD1"),
]


def command(line):
    """Parameters that copy 128 MiB by a command: the table of the copies has 1 GiB of it."""
    return f'kb=131072 depth=1 jobs=8 warm=1 command="{line} </dev/null >/dev/null 2>&1"'


# Ways to copy: label, engine, parameters. The commands are Debian's, not busybox's.
# A device has no page cache while it is not open: cp reads it all, and closing the
# destination writes it all. qemu-img has eight copies in flight, as is its default.
COPIES = (
    ("kcopyd, 512 KiB, 8 in flight", "kcopyd", "src={src} dst={dst} kb=512 depth=8 jobs=2048 warm=64 sequential=1"),
    ("kcopyd, 128 MiB in one job", "kcopyd", "src={src} dst={dst} kb=131072 depth=1 jobs=8 warm=1"),
    ("dm-kcopyd, 512 KiB, 8 in flight", "mainline",
     "src={src} dst={dst} kb=512 depth=8 jobs=2048 warm=64 sequential=1"),
    ("dm-kcopyd, 128 MiB in one job", "mainline", "src={src} dst={dst} kb=131072 depth=1 jobs=8 warm=1"),
    ("dd bs=1M iflag=direct oflag=direct", "command",
     command("/bin/dd if={src} of={dst} bs=1M iflag=direct oflag=direct")),
    ("cp --reflink=never", "command", command("/bin/cp --reflink=never {src} {dst}")),
    ("qemu-img convert -n -S 0 -t none -T none", "command",
     command("/bin/qemu-img convert -n -S 0 -t none -T none -f raw -O raw {src} {dst}")),
)
# Where: label, source, destination
PLACES = (
    ("in memory", "/dev/mema", "/dev/memb"),
    ("without memory", "/dev/nulla", "/dev/nullb"),
)

for label, engine, params in COPIES:
    for place, src, dst in PLACES:
        ROWS.append(Row(f"{label}, {place}", params.format(src=src, dst=dst), figure="copies", engines=(engine,),
                        quick=False))


def rows_of(kernel):
    """All rows, with what has to be reached on this kernel."""
    others = OF_KERNEL.get(kernel, {})
    return [replace(row, must=must, aim=aim) for row in ROWS
            for must, aim in [others.get(row.name, (row.must, row.aim))]]
