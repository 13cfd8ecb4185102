"""A CMake build tree of one preset: configuring it, building in it, and what it holds."""

import dataclasses
import json
import pathlib
import re

import process

CONFIGURE_SECONDS = 300
BUILD_SECONDS = 3600


@dataclasses.dataclass
class TestProgram:
    name: str
    labels: set
    command: list  # empty until it is built
    env: dict
    cwd: str


class BuildFailed(Exception):
    """The message holds the end of the compiler's output."""


class BuildTree:
    def __init__(self, root, preset, *, jobs, defines=()):
        self.root = pathlib.Path(root)
        self.path = self.root / "build" / preset
        self._preset = preset
        self._jobs = jobs
        self._defines = [f"-D{define}" for define in defines]

    def configure(self):
        self._must(["cmake", "--preset", self._preset, *self._defines], CONFIGURE_SECONDS)

    def build(self, targets):
        if not targets:
            raise BuildFailed("    nothing to build: no target matches")
        self._must(["ninja", "-C", self.path, "-j", self._jobs, *targets], BUILD_SECONDS)

    def programs(self, folder=""):
        """The executables, built or not, that come to lie below `folder`, as paths relative to the tree."""
        answer = process.run(["ninja", "-C", self.path, "-t", "targets", "all"], timeout=60)
        found = re.findall(r"^(\S+): CXX_EXECUTABLE_LINKER__", answer.output, re.MULTILINE)
        return sorted(name for name in found if name.startswith(folder))

    def tests(self, wanted):
        """The test programs whose set of labels `wanted` says yes to."""
        answer = process.run(["ctest", "--test-dir", self.path, "--show-only=json-v1"], timeout=60)
        if not answer.ok:
            raise BuildFailed(process.excerpt(answer.output))
        found = [_test_program(entry) for entry in json.loads(answer.output[answer.output.index("{"):])["tests"]]
        return [test for test in found if wanted(test.labels)]

    def _must(self, command, timeout):
        result = process.run(command, timeout=timeout, cwd=self.root)
        if not result.ok:
            how = f"    {result.how_it_ended()}: {' '.join(map(str, command))}"
            raise BuildFailed(f"{how}\n{process.excerpt(result.output)}")


def _test_program(entry):
    properties = {item["name"]: item["value"] for item in entry.get("properties", [])}
    env = dict(assignment.split("=", 1) for assignment in properties.get("ENVIRONMENT", []))
    return TestProgram(entry["name"], set(properties.get("LABELS", [])), entry.get("command", []), env,
                       properties.get("WORKING_DIRECTORY"))
