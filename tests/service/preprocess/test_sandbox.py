"""The process in which HEIC and AVIF are decoded: whatever becomes of it, the server lives, and says what is wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
from drawings import as_file, black_on_white, drawn
from PIL import Image
from serving import ROOT, wait_for

from service.errors import Overloaded, UndecodablePicture
from service.preprocess import decode, sandbox

HEIC = as_file(black_on_white(drawn(2)), "HEIF")


@pytest.fixture(autouse=True)
def no_decoders() -> Iterator[None]:
    """Begin and end without a process."""
    sandbox.close_decoders()
    yield
    sandbox.close_decoders()


def stand_in(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Let another program stand in for the decoder."""
    script = f"import os, sys, time\nsay = lambda data: os.write(1, data)\n{code}"
    monkeypatch.setattr(sandbox, "_COMMAND", (sys.executable, "-c", script))


def test_nothing_starts_before_the_first_such_picture() -> None:
    """Neither a process nor a library: start and memory of a server that gets no HEIC are as before."""
    script = (
        "import sys, psutil; from service.preprocess import preprocess, sandbox; import io; from PIL import Image\n"
        "file = io.BytesIO(); Image.new('L', (60, 60)).save(file, 'PNG'); preprocess(file.getvalue())\n"
        "assert not sandbox._idle and not psutil.Process().children()\n"
        "assert not {'pillow_heif', '_pillow_heif', 'PIL._avif'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)


def test_one_process_serves_many_pictures() -> None:
    """It stays for the next one; two that come at once get two, which stay."""
    for _ in range(3):
        decode(HEIC)
    assert len(sandbox._idle) == 1
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: decode(HEIC), range(20)))
    assert all(np.array_equal(answer, answers[0]) for answer in answers)
    assert 1 <= len(sandbox._idle) <= 2


@pytest.mark.parametrize(
    "answer",
    [
        "os.abort()",
        "sys.exit(0)",
        "say(sandbox.ANSWER.pack(0, 0, 9000, 9000, 3))",
        "say(sandbox.ANSWER.pack(0, 0, 20, 20, 2))",
        "say(sandbox.ANSWER.pack(0, 0, 20, 20, 3) + bytes(9))",
        "say(b'nonsense')",
    ],
)
def test_a_decoder_that_crashes_or_lies_is_the_file_s_fault(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    """The sender is told so; the next picture is read by a new process."""
    with monkeypatch.context() as patch:
        stand_in(patch, f"from service.preprocess import sandbox\nsay(b'+'); os.read(0, 20); {answer}")
        with pytest.raises(
            UndecodablePicture, match=r"could not be decoded: the decoder crashed.*Send the picture as JPEG"
        ):
            decode(HEIC)
    assert sandbox._idle == []
    assert decode(HEIC).shape == (200, 200)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are needed")
def test_a_decoder_that_the_system_kills_is_not_the_file_s_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a small container two large pictures at a time may need more memory than there is; one alone does not."""
    with monkeypatch.context() as patch:
        stand_in(patch, "say(b'+'); os.read(0, 20); os.kill(os.getpid(), 9)")
        with pytest.raises(Overloaded, match="memory ran out; send JPEG or PNG, or try again soon"):
            decode(HEIC)
    assert decode(HEIC).shape == (200, 200)


def test_a_decoder_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture cannot hold a thread for good."""
    stand_in(monkeypatch, "say(b'+'); time.sleep(600)")
    monkeypatch.setattr(sandbox, "LIMIT_S", 0.1)
    with pytest.raises(UndecodablePicture, match="could not be decoded: the decoder crashed"):
        decode(HEIC)


def test_a_decoder_that_does_not_start_is_not_the_file_s_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sender may come again, as with any server that has too much to do."""
    stand_in(monkeypatch, "sys.exit(1)")
    with pytest.raises(Overloaded, match="send JPEG or PNG"):
        decode(HEIC)
    monkeypatch.setattr(sandbox, "_COMMAND", ("/no/such/program",))
    with pytest.raises(Overloaded):
        decode(HEIC)


def test_one_that_died_while_idle_is_replaced() -> None:
    """The system may end it for memory at any time; no picture is refused for that."""
    decode(HEIC)
    process = sandbox._idle[0]._process
    process.kill()
    process.wait()
    assert decode(HEIC).shape == (200, 200)


def test_it_gets_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings, among which are API keys, are left out of its environment."""
    monkeypatch.setenv("DIGITS_API_KEY", "secret")
    decode(HEIC)
    assert "DIGITS_API_KEY" not in psutil.Process(sandbox._idle[0]._process.pid).environ()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit is the system's")
def test_it_can_have_only_so_much_memory() -> None:
    """A file that makes a decoder ask for more gets an error of that decoder."""
    script = (
        "from service.preprocess.sandboxed import limit_memory\nlimit_memory(2**29)\n"
        "try: bytearray(2**30)\nexcept MemoryError: print('refused')"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "refused\n"


def test_it_ends_with_its_server(tmp_path: Path) -> None:
    """Even if that is killed and can end nothing itself."""
    (tmp_path / "2.heic").write_bytes(HEIC)
    script = (
        "import sys; from pathlib import Path; from service.preprocess import decode, sandbox\n"
        f"decode(Path({str(tmp_path / '2.heic')!r}).read_bytes()); print(sandbox._idle[0]._process.pid, flush=True)\n"
        "sys.stdin.read()"
    )
    server = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with server:
        assert server.stdout is not None
        decoder = psutil.Process(int(server.stdout.readline()))
        os.kill(server.pid, signal.SIGKILL)
        wait_for(lambda: not decoder.is_running() or decoder.status() == psutil.STATUS_ZOMBIE)


def test_a_missing_package_is_said_with_its_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """HEIC is an extra: without it AVIF is read, and HEIC refused with what to install."""
    (tmp_path / "pillow_heif.py").write_text("raise ImportError")
    script = f"sys.path.insert(0, {str(tmp_path)!r})\nfrom service.preprocess.sandboxed import main\nmain()"
    stand_in(monkeypatch, script)
    with pytest.raises(UndecodablePicture, match=r"sent are HEIC, .* pip install 'digit-service\[heic\]'") as told:
        decode(HEIC)
    assert "damaged" not in str(told.value)
    assert decode(as_file(Image.new("L", (60, 60), 255), "AVIF")).shape == (60, 60)
