"""The second stage of CI: format and clang-tidy."""

import concurrent.futures
import functools
import re
import time

import build_tree
import process

# What .clang-format and .clang-tidy are written for: other versions format and find other things.
CLANG_MAJOR = 14
FOLDERS = ("base", "state", "backends", "daemon", "cli", "guest-agent")
TIDY_SECONDS = 300
TIDY_TREE = "thread-safety"  # has neither sanitizers nor precompiled headers


def clang_format(root, report):
    if _other_version("clang-format", report):
        return
    files = _sources(root, (*FOLDERS, "tests"), ("*.cc", "*.h"))
    result = process.run(["clang-format", "--dry-run", "--Werror", *files], timeout=TIDY_SECONDS, cwd=root)
    report.case(f"clang-format: {len(files)} files", None if result.ok else process.excerpt(result.output))


def clang_tidy(root, report, jobs, deadline):
    """Looks at every source, the one that changed last first; at `deadline` (time.monotonic) the rest counts as skipped."""
    if _other_version("clang-tidy", report):
        return
    tree = build_tree.BuildTree(root, TIDY_TREE, jobs=jobs, defines=["EMBER_TESTS=OFF"])
    tree.configure()
    tree.build(["ember_agent_proto", "ember_host_proto"])  # headers that sources include
    files = _latest_first(root, _sources(root, FOLDERS, ("*.cc",)))
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        results = list(pool.map(functools.partial(_tidy_one, root, deadline), files))
    seen = [result for result in results if result is not None]
    findings = [process.excerpt(result.output, 30) for result in seen if not result.ok]
    report.case(f"clang-tidy: {len(seen)} files", "\n".join(findings) or None)
    if len(seen) < len(files):
        report.skip("clang-tidy", f"no time was left for {len(files) - len(seen)} files, which changed longest ago")


def _tidy_one(root, deadline, file):
    if time.monotonic() > deadline:
        return None
    words = ["clang-tidy", "--quiet", "-p", root / "build" / TIDY_TREE, file]
    return process.run(words, timeout=TIDY_SECONDS, cwd=root)


def _latest_first(root, files):
    log = process.run(["git", "log", "--format=", "--name-only"], timeout=60, cwd=root)
    age = {}
    for line in log.output.splitlines() if log.ok else ():
        age.setdefault(line, len(age))
    return sorted(files, key=lambda file: age.get(str(file), -1))  # one that is not committed is the latest


def _sources(root, folders, patterns):
    return sorted(path.relative_to(root) for folder in folders for pattern in patterns
                  for path in (root / folder).rglob(pattern))


def _other_version(tool, report):
    answer = process.run([tool, "--version"], timeout=10)
    version = re.search(r"version (\d+)", answer.output)
    if version and int(version[1]) == CLANG_MAJOR:
        return False
    found = version[1] if version else "unknown"
    report.skip(tool, f"the project's settings are for version {CLANG_MAJOR}, this is {found}")
    return True
