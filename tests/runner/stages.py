"""The stages of ./tests/run. Each counts its cases in the report; a build that fails counts as one failed case."""

import concurrent.futures
import functools
import pathlib
import re
import shutil
import tempfile

import build_tree
import catch_program
import guest_assets
import leaks
import process

UNIT_SECONDS = 900
PROGRAM_SECONDS = 1200  # of tests that start daemons and VMs
FUZZ_SECONDS = 20

SANITIZER_ENV = {
    "ASAN_OPTIONS": "detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "second_deadlock_stack=1:history_size=4",
}


# Labels of test programs (tests/*/CMakeLists.txt): "unit" is the default. These two go through the built programs:
# sanitizers would see nothing in them.
PROGRAM_LABELS = {"integration", "e2e"}


def in_process(labels):
    return not labels & PROGRAM_LABELS


def only_unit(labels):
    return labels == {"unit"}


def on_real_vms(labels):
    return not only_unit(labels)


class Stages:
    """One run; `run_id` is the value of leaks.RUN_TAG in our environment."""

    def __init__(self, root, report, options, run_id):
        self.root = pathlib.Path(root)
        self._report = report
        self._options = options
        self._env = {}  # for test programs: where the kernel and the image for real VMs are
        self._run_id = run_id

    # --- the stages -------------------------------------------------------------------------------------------------

    def layering(self):
        """Looks at the source tree itself, and at the tools that judge it: no build is needed."""
        for script in ("tests/layering/check", "tests/layering/check_finds_faults", "tests/runner/runner_test.py"):
            words = ["python3", "-B"] if script.endswith(".py") else []
            result = process.run([*words, self.root / script], timeout=UNIT_SECONDS, cwd=self.root)
            self._report.case(script, None if result.ok else process.excerpt(result.output))

    def release(self):
        """Builds what ships."""
        tree = self._tree("release")
        tree.configure()
        programs = tree.programs("bin/")
        tree.build(programs)
        self._report.case(f"built as it ships: {', '.join(pathlib.Path(name).name for name in programs)}")

    def unit(self):
        self._programs(self._tree("dev"), in_process)

    def asan(self):
        self._programs(self._tree("asan"), in_process, prefix=without_address_randomization())

    def tsan(self):
        self._programs(self._tree("tsan"), in_process, prefix=without_address_randomization())

    def e2e(self):
        tree = self._tree("dev")
        self._prepare_vms(tree)
        tree.build(tree.programs("bench/"))  # nothing runs them, but they shall go on building
        self._programs(tree, on_real_vms)

    def fuzz(self):
        tree = self._tree("asan")
        tree.configure()
        targets = tree.programs("fuzz/")
        tree.build(targets)
        with concurrent.futures.ThreadPoolExecutor(self._options.jobs) as pool:
            list(pool.map(lambda target: self._fuzz_one(tree.path / target), targets))

    def leaks(self, before):
        left = leaks.check(self.root, self._run_id, before)
        self._report.case("nothing is left behind", "\n".join("    " + line for line in left) if left else None)

    # --- their parts ------------------------------------------------------------------------------------------------

    def _tree(self, preset):
        return build_tree.BuildTree(self.root, preset, jobs=self._options.jobs)

    def _prepare_vms(self, tree):
        if self._env:
            return
        tree.configure()
        tree.build(tree.programs("bin/"))
        self._env.update(guest_assets.prepare(self.root / "build/test-cache", tree.path / "bin"))

    def _programs(self, tree, wanted, prefix=()):
        """Builds and runs the test programs of those labels, several at a time; first those that boot VMs, which take longest."""
        tree.configure()
        programs = tree.programs("bin/")  # some tests start them
        tree.build([f"tests/{test.name}" for test in tree.tests(wanted)] + programs)
        tests = sorted(tree.tests(wanted), key=lambda test: "e2e" not in test.labels)
        with concurrent.futures.ThreadPoolExecutor(self._options.jobs) as pool:
            list(pool.map(functools.partial(self._run_program, prefix=prefix), tests))

    def _run_program(self, test, *, prefix):
        timeout = UNIT_SECONDS if only_unit(test.labels) else PROGRAM_SECONDS
        tally, text = catch_program.run(test, prefix=prefix, env={**SANITIZER_ENV, **self._env},
                                        case_filter=self._options.filter, timeout=timeout)
        self._report.count(tally)
        if text:
            self._report.say(text)

    def _fuzz_one(self, program):
        """Fuzzes from a copy of the committed corpus, so that the source tree stays clean; keeps what broke it."""
        corpus = self.root / "tests/fuzz/corpus" / program.name
        if not corpus.is_dir() or not any(corpus.iterdir()):
            self._report.case(f"fuzz {program.name}", f"    there is no corpus in {corpus}")
            return
        with tempfile.TemporaryDirectory(prefix="ember-runner-") as folder:
            seeds, finds = pathlib.Path(folder) / "corpus", self.root / "build/fuzz-finds" / program.name
            shutil.copytree(corpus, seeds)
            finds.mkdir(parents=True, exist_ok=True)
            result = process.run(
                [*without_address_randomization(), program, f"-max_total_time={FUZZ_SECONDS}", "-timeout=10",
                 "-rss_limit_mb=2048", "-print_final_stats=1", f"-artifact_prefix={finds}/", seeds],
                timeout=FUZZ_SECONDS + 60, env=self._env)
        units = re.search(r"number_of_executed_units: (\d+)", result.output)
        if result.ok and units and int(units[1]) > 0:
            self._report.case(f"fuzz {program.name}: {units[1]} inputs")
        else:
            how = f"    {result.how_it_ended()}; inputs that broke it are in {finds}"
            self._report.case(f"fuzz {program.name}", f"{how}\n{process.excerpt(result.output)}")


def without_address_randomization():
    """Words before a sanitized program: older sanitizers do not start where the kernel randomizes too many bits."""
    words = ["setarch", "--addr-no-randomize"]
    return words if process.run([*words, "true"], timeout=10).ok else []


# Why a stage could not run.
FAILURES = (build_tree.BuildFailed, guest_assets.AssetsFailed)
