"""What was counted, and the closing line."""

import dataclasses
import threading
import time


@dataclasses.dataclass
class Tally:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other):
        return Tally(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)


class Report:
    """Collects one row a stage. Thread-safe."""

    def __init__(self):
        self._lock = threading.Lock()
        self._rows = []  # [name, seconds, Tally]

    def stage(self, name):
        """A context in which every count goes to the row `name`."""
        return _Stage(self, name)

    def say(self, text):
        with self._lock:
            print(text, flush=True)

    def count(self, tally):
        with self._lock:
            self._rows[-1][2] += tally

    def case(self, name, failure=None):
        """Counts one case of ours; `failure` is what to show when it failed."""
        if failure is None:
            self.count(Tally(passed=1))
            self.say(f"  ok      {name}")
        else:
            self.count(Tally(failed=1))
            self.say(f"  FAILED  {name}\n{failure}")

    def skip(self, name, reason):
        self.count(Tally(skipped=1))
        self.say(f"SKIPPED: {name}: {reason}")

    def finish(self):
        """Prints the table and the closing line; the exit code: 0 when something ran and nothing failed."""
        total = sum((row[2] for row in self._rows), Tally())
        print("\nstage             time   passed failed skipped")
        for name, seconds, tally in self._rows:
            print(f"{name:<14} {seconds:6.1f} s {tally.passed:7} {tally.failed:6} {tally.skipped:7}")
        print(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped", flush=True)
        return 0 if total.failed == 0 and total.passed > 0 else 1

    def _begin(self, name):
        with self._lock:
            self._rows.append([name, 0.0, Tally()])
        self.say(f"== {name}")

    def _end(self, seconds):
        with self._lock:
            self._rows[-1][1] = seconds


class _Stage:
    def __init__(self, report, name):
        self._report, self._name = report, name

    def __enter__(self):
        self._started = time.monotonic()
        self._report._begin(self._name)

    def __exit__(self, *exception):
        self._report._end(time.monotonic() - self._started)
