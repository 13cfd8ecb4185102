"""Child processes with a time limit, each in a session of its own, so that all it started can be ended with it."""

import dataclasses
import os
import signal
import subprocess
import tempfile
import time


stopping = False  # set when the run is interrupted: nothing new is started then


@dataclasses.dataclass
class Result:
    code: int  # negative: minus the signal that ended it
    output: str  # standard output and standard error, as they came
    seconds: float
    timed_out: bool

    @property
    def ok(self):
        return self.code == 0 and not self.timed_out

    def how_it_ended(self):
        if self.timed_out:
            return f"ended after its time limit ({self.seconds:.0f} s)"
        if self.code < 0:
            return f"killed by {signal.Signals(-self.code).name}"
        return f"exit code {self.code}"


def run(command, *, timeout, env=None, cwd=None):
    """Runs `command` to its end or to `timeout` seconds, then kills its whole session. `env` is added to ours.

    The output goes through a file: a process that outlives its parent would hold a pipe open for ever.
    """
    if stopping:
        raise KeyboardInterrupt
    started = time.monotonic()
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})}, cwd=cwd, start_new_session=True)
        timed_out = False
        try:
            child.wait(timeout)
        except subprocess.TimeoutExpired:
            timed_out = True
        finally:
            if child.returncode is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
        output.seek(0)
        text = output.read().decode(errors="replace")
    return Result(child.returncode, text, time.monotonic() - started, timed_out)


def excerpt(text, lines=100):
    """`text` with each line indented; of a long one the first and the last lines."""
    kept = text.rstrip("\n").split("\n")
    if len(kept) > lines:
        half = lines // 2
        kept = [*kept[:half], f"[{len(kept) - 2 * half} lines left out]", *kept[-half:]]
    return "\n".join("    " + line for line in kept)
