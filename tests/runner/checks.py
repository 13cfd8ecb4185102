"""The second stage of CI: format, clang-tidy, clang's thread-safety analysis. One case each."""

import concurrent.futures
import functools
import re

import build_tree
import process

# What .clang-format and .clang-tidy are written for: other versions format and find other things.
CLANG_MAJOR = 14
FOLDERS = ("base", "state", "backends", "daemon", "cli", "guest-agent")
TIDY_SECONDS = 300


def clang_format(root, report):
    if _other_version("clang-format", report):
        return
    files = _sources(root, (*FOLDERS, "tests"), ("*.cc", "*.h"))
    result = process.run(["clang-format", "--dry-run", "--Werror", *files], timeout=TIDY_SECONDS, cwd=root)
    report.case(f"clang-format: {len(files)} files", None if result.ok else process.excerpt(result.output))


def thread_safety(root, report, jobs):
    """Builds everything but the tests with clang, its warnings being errors; clang-tidy reads the tree that is left."""
    tree = build_tree.BuildTree(root, "thread-safety", jobs=jobs, defines=["EMBER_TESTS=OFF"])
    tree.configure()
    tree.build(["all"])
    report.case("thread-safety analysis")


def clang_tidy(root, report, jobs):
    if _other_version("clang-tidy", report):
        return
    files = _sources(root, FOLDERS, ("*.cc",))
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        results = pool.map(functools.partial(_tidy_one, root), files)
        findings = [process.excerpt(result.output, 30) for result in results if not result.ok]
    report.case(f"clang-tidy: {len(files)} files", "\n".join(findings) or None)


def _tidy_one(root, file):
    words = ["clang-tidy", "--quiet", "-p", root / "build/thread-safety", file]
    return process.run(words, timeout=TIDY_SECONDS, cwd=root)


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
