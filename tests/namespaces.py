"""File systems of a test's own, where the machine lets us have them: read-only, or full."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from serving import OURS, ROOT, kill_group

READ_ONLY = """
mount --bind / / && mount -o remount,ro,bind /
for at in $(cut -d' ' -f2 /proc/self/mounts | grep -vE '^/(proc|sys)' | sort -u); do
  mount -o remount,ro,bind $at 2>/dev/null; done
"""


def can_mount() -> bool:
    """Whether this user may make a file system read-only for a process of its own."""
    if not shutil.which("unshare"):
        return False
    test = ["unshare", "--mount", "sh", "-c", f"{READ_ONLY} ! touch /tmp/a"]
    return subprocess.run(test, capture_output=True, check=False).returncode == 0


@contextmanager
def in_namespace(script: str, port: int, *more: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run the service in a mount namespace of its own, after a script; it is gone when the test is over."""
    words = " ".join(word.format(port=port) for word in (*OURS, *more))
    line = f"{script}\ncd {ROOT}; exec {words}"
    environment = {**os.environ, "DIGITS_LAME_DUCK_S": "0"}
    command_line = ["unshare", "--mount", "sh", "-c", line]
    with subprocess.Popen(command_line, env=environment, stderr=subprocess.PIPE, start_new_session=True) as process:
        try:
            yield process
        finally:
            kill_group(process)
