"""Builds and runs the tests; ./tests/run starts it. docs/testing.md describes the stages."""

import argparse
import contextlib
import os
import pathlib
import signal
import sys
import uuid

import checks
import leaks
import process
import report as reports
import stages

ROOT = pathlib.Path(__file__).resolve().parents[2]
# In the order in which they run. "all" is every one but unit (asan runs the same cases) and the checks of CI.
ALL = ("layering", "release", "asan", "tsan", "fuzz", "e2e")
CHECKS = ("format", "thread-safety", "tidy")
CHOICES = ("unit", "layering", "asan", "tsan", "fuzz", "e2e", *CHECKS, "all", "checks")


def parse(arguments):
    parser = argparse.ArgumentParser(prog="./tests/run", description="Builds and runs Ember's tests.")
    parser.add_argument("--stage", action="append", choices=CHOICES, metavar="NAME",
                        help=f"only this one; may be given more than once: {', '.join(CHOICES)} (default: all)")
    parser.add_argument("--filter", default="", metavar="SPEC",
                        help="only the cases that fit, as Catch2 knows it: a name with wildcards, or [tag]")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N",
                        help="compilers and test programs side by side (default: one a CPU)")
    options = parser.parse_args(arguments)
    if options.jobs < 1:
        parser.error("--jobs needs a number from 1")
    options.names = plan(options.stage or ["all"])
    options.needs_vms = bool({"asan", "tsan", "e2e"} & set(options.names))
    return options


def plan(asked):
    """The stages to run, in order; tests on real VMs need the release programs first."""
    names = set(asked)
    if "all" in names:
        names.update(ALL)
    if "checks" in names:
        names.update(CHECKS)
    if "e2e" in names:
        names.add("release")
    return [name for name in ("unit", *ALL, *CHECKS) if name in names]


def main(arguments):
    options = parse(arguments)
    run_id = uuid.uuid4().hex
    os.environ[leaks.RUN_TAG] = run_id  # all that we start inherits it
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: interrupt(run_id))
    report = reports.Report()
    run = stages.Stages(ROOT, report, options, run_id)
    steps = {name: getattr(run, name) for name in ("unit", *ALL)}
    steps["format"] = lambda: checks.clang_format(ROOT, report)
    steps["thread-safety"] = lambda: checks.thread_safety(ROOT, report, options.jobs)
    steps["tidy"] = lambda: checks.clang_tidy(ROOT, report, options.jobs)

    before = leaks.Snapshot(ROOT, run_id)
    for name in options.names:
        with report.stage(name), failed_as_case(report, name):
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
