"""The check of machines that are at fault: disks, folders, permissions."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path


def faults() -> tuple[bool, str]:
    """Read-only and full disks, no home, no permission: no effect, or one line that says what is wrong."""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        return True, "not run: needs root and unshare"
    cases = {
        "home that is none": "export HOME=/proc/none; exec ",
        "temporary folder full": "mount -t tmpfs -o size=4k none /tmp; head -c 4096 /dev/zero > /tmp/full; exec ",
        "temporary folder read-only": "mount -t tmpfs -o ro none /tmp; export HOME=/proc/none; exec ",
        "disk of the log full": "exec 2>/dev/full 1>/dev/full; exec ",
    }
    said, good = [], True
    for name, prefix in cases.items():
        answered = _answers_in(prefix)
        good = good and answered
        said.append(f"{name}: {'answers' if answered else 'DOES NOT ANSWER'}")
    full = "mount -t tmpfs -o size=4k none /tmp; head -c 4096 /dev/zero > /tmp/full; "
    nowhere = "export TMPDIR=/tmp; mount --bind / / && mount -o remount,ro,bind /; exec "
    answered = _answers_in(full + nowhere, "--workers", "2")
    good = good and answered
    said.append(f"two workers, temporary folder full: {'answers' if answered else 'DOES NOT ANSWER'}")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0)
        unprivileged = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
        line = _last_line([*unprivileged, *_command(0)], DIGITS_MODEL=folder)
        good = good and "ermission denied" in line and "status" not in line
        said.append(f"no permission on the model: {line!r}")
    return good, "; ".join(said)


def _command(port: int) -> list[str]:
    return [sys.executable, "-m", "service", "--port", str(port)]


def _last_line(command: list[str], **more: str) -> str:
    done = subprocess.run(command, env={**os.environ, **more}, capture_output=True, text=True, timeout=60, check=False)
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    return errors[0] if errors else f"status {done.returncode}: {done.stderr[-300:]}"


def _answers_in(prefix: str, *more: str) -> bool:
    port = 20000 + os.getpid() % 20000 + int(time.monotonic()) % 1000
    words = ["unshare", "--mount", "sh", "-c", prefix + " ".join((*_command(port), *more))]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(400):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
                    return bool(answer.status == 200)
            except OSError:
                time.sleep(0.1)
        return False
    finally:
        process.terminate()
        process.wait(60)
