"""What tests could leave behind on the host: processes, sockets and directories, mounts, loop devices, taps, files."""

import contextlib
import os
import pathlib
import signal
import subprocess
import time

# Every process of a machine carries these (backends/hypervisor/process_tags.h).
TAGS = (b"EMBER_INSTALLATION_ID=", b"EMBER_MACHINE_ID=")
RUN_TAG = "TESTS_OF_EMBER"  # ours: inherited by all that this run starts (a machine gets nothing named EMBER_*)
SETTLE_SECONDS = 10  # what is ending when we look may take so long


class Snapshot:
    """The host at one time. `root` is the source tree, `run` the value of RUN_TAG in what we start."""

    def __init__(self, root, run):
        self.found = {**_processes(root, run), **_kernel_objects(), **_files(root)}

    def since(self, earlier):
        return [text for key, text in sorted(self.found.items()) if key not in earlier.found]


def check(root, run, before):
    """What is here that was not there `before`, as lines; processes of this run among it are ended."""
    deadline = time.monotonic() + SETTLE_SECONDS
    left = Snapshot(root, run).since(before)
    while left and time.monotonic() < deadline:
        time.sleep(0.5)
        left = Snapshot(root, run).since(before)
    end_all(run)
    return left


def end_all(run):
    """Ends every process that this run started, directly or not."""
    mark = f"{RUN_TAG}={run}".encode()
    for pid in _pids():
        if mark in _environment(pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _environment(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []  # gone, or not ours to look into


def _pids():
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit() and int(entry) != os.getpid()]


def _processes(root, run):
    found = {}
    ours, build = f"{RUN_TAG}={run}".encode(), str(pathlib.Path(root) / "build") + "/"
    for pid in _pids():
        environment = _environment(pid)
        try:
            program = os.readlink(f"/proc/{pid}/exe")
            command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # gone, a kernel thread, or not ours to look into
        of_another_run = any(word.startswith(f"{RUN_TAG}=".encode()) and word != ours for word in environment)
        tagged = any(word.startswith(TAGS) for word in environment) and not of_another_run
        if ours in environment or tagged or program.startswith(build):
            found["process", pid] = f"process {pid}: {command[:200]}"
    return found


def _kernel_objects():
    found = {}
    for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
        found["mount", line] = f"mount {line}"
    for backing in pathlib.Path("/sys/block").glob("loop*/loop/backing_file"):
        file = backing.read_text().strip()
        found["loop", backing.parts[3], file] = f"loop device {backing.parts[3]} of {file}"
    for flags in pathlib.Path("/sys/class/net").glob("*/tun_flags"):
        found["tap", flags.parts[4]] = f"tap {flags.parts[4]}"
    return found


def _files(root):
    found = {("file", path): f"file {path}" for pattern in ("ember-test-*", "ember-runner-*")
             for path in pathlib.Path("/tmp").glob(pattern)}
    if (pathlib.Path(root) / ".git").exists():
        status = subprocess.run(["git", "-C", root, "status", "--porcelain"], capture_output=True, text=True)
        for line in status.stdout.splitlines():
            found["tree", line] = f"in the source tree: {line}"
    return found
