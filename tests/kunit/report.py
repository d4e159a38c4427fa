#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Reads a console with KTAP, by the parser of the kernel's kunit.py.

    report.py CONSOLE SUITES [SUITE...]

Prints a line for each test case, what a failed one had to say, and the total.
SUITES is a file that names the suites there are: one that did not run is a
failure, and so is one that was asked for (SUITE) and skipped its cases.
"""

import contextlib
import io
import re
import sys

with contextlib.redirect_stdout(io.StringIO()):
    import kunit_parser
    from kunit_parser import TestStatus


def ktap(console):
    """The suites' lines, as one test of as many subtests as there are."""
    with open(console, encoding="utf-8", errors="replace") as file:
        lines = [re.sub(r"^\[ *\d+\.\d+\] ", "", line.rstrip()) for line in file]
    # The built-in suites' header comes first, then that of each module's suite.
    start = next((i for i, line in enumerate(lines)
                  if line.startswith("    # Subtest: kcopyd_")), len(lines))
    return ["KTAP version 1"] + lines[max(start - 1, 0):]


def leaves(test, path):
    """The test cases below a test, each with its full name."""
    if not test.subtests:
        yield ".".join(path), test
    for sub in test.subtests:
        yield from leaves(sub, path + [sub.name])


def main():
    """Prints the report; fails if a test did."""
    console, suites, *only = sys.argv[1:]
    passed, failed = 0, 0
    unheard = set(only)
    lines = ktap(console)
    with contextlib.redirect_stdout(io.StringIO()):
        root = kunit_parser.parse_run_tests(lines)

    for name, test in leaves(root, []):
        if not test.name:
            continue
        if test.status != TestStatus.SKIPPED:
            unheard.discard(name.split(".")[0])
        if test.status == TestStatus.SUCCESS:
            print(f"ok      {name}")
            passed += 1
        elif test.status == TestStatus.SKIPPED:
            # The debug kernel is configured to have all that they need.
            if not only:
                print(f"FAILED  {name}: skipped: {' '.join(test.log)}")
                failed += 1
        else:
            print(f"FAILED  {name} ({test.status.name.lower()})")
            for line in test.log:
                print(f"        {line}")
            failed += 1

    for suite in sorted(unheard):
        print(f"FAILED  {suite}: asked for, but no case of it was run")
        failed += 1
    ran = {suite.name for suite in root.subtests
           if suite.status not in (TestStatus.TEST_CRASHED, TestStatus.NO_TESTS)}
    with open(suites, encoding="utf-8") as file:
        for suite in file.read().split():
            if suite not in ran:
                print(f"FAILED  {suite}: the suite did not run to its end")
                failed += 1
    # Numbers out of order, missing cases and the like.
    if root.counts.errors and not failed:
        print(f"FAILED  {root.counts.errors} errors in the KTAP of the console")
        failed += 1

    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
