"""Builds and runs the tests; ./tests/run starts it. docs/testing.md describes the stages."""

import argparse
import contextlib
import os
import pathlib
import signal
import sys
import time
import uuid

import checks
import leaks
import process
import report as reports
import stages

ROOT = pathlib.Path(__file__).resolve().parents[2]
# In the order in which they run. "tests" runs every test once, from one tree. "all" is what CI wants: those that run in
# process are under sanitizers there.
TESTS = ("layering", "unit", "e2e")
ALL = ("layering", "e2e", "asan", "fuzz", "tsan", "release")
CHECKS = ("format", "tidy")
ORDER = ("layering", "unit", *ALL[1:], *CHECKS)
CHOICES = (*ORDER, "tests", "all", "checks")


def parse(arguments):
    parser = argparse.ArgumentParser(prog="./tests/run", description="Builds and runs Ember's tests.")
    parser.add_argument("--stage", action="append", choices=CHOICES, metavar="NAME",
                        help=f"only this one; may be given more than once: {', '.join(CHOICES)} (default: tests)")
    parser.add_argument("--filter", default="", metavar="SPEC",
                        help="only the cases that fit, as Catch2 knows it: a name with wildcards, or [tag]")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N",
                        help="compilers and test programs side by side (default: one a CPU)")
    parser.add_argument("--begin-until", type=float, default=float("inf"), metavar="MINUTES",
                        help="begin no stage but the checks once the run has taken so long (default: begin all)")
    parser.add_argument("--tidy-until", type=float, default=float("inf"), metavar="MINUTES",
                        help="look at no more files with clang-tidy once the run has taken so long (default: look at all)")
    options = parser.parse_args(arguments)
    if options.jobs < 1:
        parser.error("--jobs needs a number from 1")
    options.names = plan(options.stage or ["tests"])
    return options


def plan(asked):
    """The stages to run, in order."""
    groups = {"tests": TESTS, "all": ALL, "checks": CHECKS}
    names = {name for word in asked for name in groups.get(word, (word,))}
    return [name for name in ORDER if name in names]


def main(arguments):
    started = time.monotonic()
    options = parse(arguments)
    run_id = uuid.uuid4().hex
    os.environ[leaks.RUN_TAG] = run_id  # all that we start inherits it
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: interrupt(run_id))
    report = reports.Report()
    run = stages.Stages(ROOT, report, options, run_id)
    steps = {name: getattr(run, name) for name in ORDER if name not in CHECKS}
    steps["format"] = lambda: checks.clang_format(ROOT, report)
    steps["tidy"] = lambda: checks.clang_tidy(ROOT, report, options.jobs, started + options.tidy_until * 60)

    before = leaks.Snapshot(ROOT, run_id)
    for name in options.names:
        with report.stage(name), failed_as_case(report, name):
            if name not in CHECKS and time.monotonic() > started + options.begin_until * 60:
                report.skip(name, f"the run had taken {options.begin_until:g} minutes before it")
            else:
                steps[name]()
    with report.stage("leaks"):
        run.leaks(before)
    return report.finish()


def interrupt(run_id):
    process.stopping = True
    leaks.end_all(run_id)
    raise KeyboardInterrupt


@contextlib.contextmanager
def failed_as_case(report, name):
    try:
        yield
    except stages.FAILURES as failure:
        report.case(f"{name}: could not be built", str(failure))


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
