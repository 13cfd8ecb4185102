"""Runs one Catch2 program, version 2 or 3, and counts its cases from the XML that both write."""

import pathlib
import re
import tempfile
import xml.etree.ElementTree as ElementTree

import process
from report import Tally

# Elements of a case that tell why it failed.
FAILURES = {"Expression", "Failure", "Exception", "FatalErrorCondition"}


def run(test, *, prefix, env, case_filter, timeout):
    """Runs the program `test`; answers its Tally and the text to show. `prefix` are words before its command.

    A program that ends in the middle of a case, or that ends badly though all its cases passed (a leak that a sanitizer
    found at exit), counts as one failed case, with its output. So does one that holds no case at all.
    """
    with tempfile.TemporaryDirectory(prefix="ember-runner-") as folder:
        xml = pathlib.Path(folder) / "result.xml"
        words = [*prefix, *test.command, "--reporter", "xml", "--out", xml]
        if case_filter:
            words.append(case_filter)
        result = process.run(words, timeout=timeout, env={**test.env, **env}, cwd=test.cwd)
        cases, unfinished, complete = _read(xml)
    return _judge(test, result, cases, unfinished, complete, bool(case_filter))


def _read(path):
    """The finished cases of a result file, the name of the one that was cut off, and whether the file is whole."""
    parser = ElementTree.XMLPullParser(["start", "end"])
    cases, open_case, complete = [], None, False
    try:
        parser.feed(path.read_bytes())
        parser.close()
    except (OSError, ElementTree.ParseError):
        pass  # a program that crashed leaves half a file; what was fed can still be read
    try:
        for event, element in parser.read_events():
            if element.tag == "TestCase":
                open_case = element.get("name") if event == "start" else None
                if event == "end":
                    cases.append(element)
            elif event == "end" and element.tag in ("Catch", "Catch2TestRun"):
                complete = True
    except ElementTree.ParseError:
        pass
    return cases, open_case, complete


def _judge(test, result, cases, unfinished, complete, filtered):
    names = {case.get("name") for case in cases}
    skips = _skip_lines(result.output, names)
    skips.update((case.get("name"), "skipped") for case in cases if case.find("OverallResult").get("skips", "0") != "0"
                 and case.get("name") not in skips)
    failed = [case for case in cases if case.find("OverallResult").get("success") != "true"]
    failed_names = {case.get("name") for case in failed}
    skipped = {name for name in skips if name not in failed_names}
    tally = Tally(len(cases) - len(failed) - len(skipped), len(failed), len(skipped))

    text = [f"SKIPPED: {name}: {skips[name]}" for name in sorted(skipped)]
    text += [_describe(test.name, case) for case in failed]
    trouble = _trouble(result, cases, unfinished, complete, filtered, bool(failed))
    if trouble:
        tally.failed += 1
        text.append(f"  FAILED  {test.name}: {trouble}")
    if tally.failed:
        text.append(process.excerpt(result.output))
    elif tally.passed:
        text.append(f"  ok      {test.name}: {tally.passed} cases, {result.seconds:.1f} s")
    return tally, "\n".join(line for line in text if line)


def _trouble(result, cases, unfinished, complete, filtered, has_failures):
    """What is wrong with the program as a whole, or nothing."""
    if result.timed_out or unfinished is not None or not complete:
        where = f" in '{unfinished}'" if unfinished else ""
        if has_failures and complete and not result.timed_out:
            return None
        return f"{result.how_it_ended()}{where}"
    if not cases:
        return None if filtered else "holds no test case"
    if result.code != 0 and not has_failures:
        return f"every case passed, but {result.how_it_ended()}"
    return None


def _skip_lines(output, names):
    """The cases that said SKIPPED, with their reasons; case names may hold colons."""
    skips = {}
    for line in re.findall(r"^SKIPPED: (.+)$", output, re.MULTILINE):
        fitting = [name for name in names if line.startswith(f"{name}: ")]
        if fitting:
            name = max(fitting, key=len)
            skips.setdefault(name, line[len(name) + 2:])
    return skips


def _describe(program, case):
    lines = [f"  FAILED  {program}: {case.get('name')} ({case.get('filename')}:{case.get('line')})"]
    for element in case.iter():
        if element.tag not in FAILURES or element.get("success") == "true":
            continue
        said = [(part.text or "").strip() for part in [element, *element]]
        lines.append(f"    {element.get('filename')}:{element.get('line')}: {element.get('type', element.tag)} "
                     + "  =>  ".join(part for part in said if part))
    lines += ["    info: " + (info.text or "").strip() for info in case.iter("Info")]
    return "\n".join(lines)
