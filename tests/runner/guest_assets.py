"""The kernel, initramfs and root filesystem that tests on real VMs boot, made once by Ember itself and kept."""

import hashlib
import pathlib
import shutil
import tempfile

import process

SECONDS_EACH = 600  # a download and an image build, on a slow line
FILES = {"EMBER_TEST_KERNEL": "kernels/*/vmlinux", "EMBER_TEST_INITRAMFS": "kernels/*/initramfs.cpio",
         "EMBER_TEST_ROOTFS": "images/rootfs/*.ext4"}


class AssetsFailed(Exception):
    """The message is what the command that failed said."""


def prepare(cache, programs):
    """The environment that names them below `cache`, made with the programs in the folder `programs`: each file, and as
    EMBER_TEST_STATE the folder with `kernels` and `images`, laid out as in a state directory.

    They are made anew when emberd (it is in the initramfs) or the daemon has changed. A private daemon makes them and
    is gone afterwards; after a failure nothing is left.
    """
    cache, programs = pathlib.Path(cache), pathlib.Path(programs)
    key = hashlib.sha256()
    for name in ("emberd", "emberhostd"):
        key.update((programs / name).read_bytes())
    folder = cache / key.hexdigest()[:16]
    if not folder.exists():
        shutil.rmtree(cache, ignore_errors=True)
        _make(folder, programs)
    files = {variable: str(_only(folder, pattern)) for variable, pattern in FILES.items()}
    return {"EMBER_TEST_STATE": str(folder), **files}


def _make(folder, programs):
    state = pathlib.Path(tempfile.mkdtemp(prefix="ember-test-", dir="/tmp"))

    def ember(*words):
        result = process.run([programs / "ember", *words, "--state-dir", state], timeout=SECONDS_EACH)
        if not result.ok:
            how = f"    {result.how_it_ended()}: ember {' '.join(words)}"
            raise AssetsFailed(f"{how}\n{process.excerpt(result.output)}")

    try:
        ember("daemon", "start")
        try:
            ember("kernel", "add", "debian")
            ember("image", "build", "busybox", "--from", "busybox")
        finally:
            ember("daemon", "stop")
        _take(state, folder)
    finally:
        shutil.rmtree(state, ignore_errors=True)


def _take(state, folder):
    staged = folder.with_name(".staged")
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(parents=True)
    for place in ("kernels", "images"):
        copied = process.run(["cp", "-a", "--sparse=always", state / place, staged / place], timeout=SECONDS_EACH)
        if not copied.ok:
            raise AssetsFailed(process.excerpt(copied.output))
    for pattern in FILES.values():
        _only(staged, pattern)
    staged.rename(folder)


def _only(folder, pattern):
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise AssetsFailed(f"    expected one {pattern} in {folder}, found {len(found)}")
    return found[0]
