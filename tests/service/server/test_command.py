"""The command line on machines that are not as ours: other address families, other limits, closed streams.

What no machine at hand is (macOS, Windows) is simulated: functions that answer as theirs do.
"""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from namespaces import READ_ONLY, can_mount, in_namespace
from serving import OURS, ROOT, START_LIMIT_S, free_port

from service.server import command
from service.server.command import parse, raise_file_limit
from service.server.listening import address, bind
from service.server.supervisor import StartError

if TYPE_CHECKING:
    from serving import StartServer

QUIET = {"lame_duck_s": 0}


def has_ipv6() -> bool:
    """Whether this machine has the loopback address of IPv6."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def status(host: str, port: int, path: str = "/readyz") -> int:
    """Return what a GET is answered with."""
    connection = http.client.HTTPConnection(host, port, timeout=30)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
def test_the_address_of_every_family_answers_both(launch: StartServer) -> None:
    """`--host ::` serves IPv4 as well, so the image's health check finds it; the log has a URL that can be opened."""
    server = launch((*OURS, "--host", "::"), **QUIET)
    assert status("127.0.0.1", server.port) == status("::1", server.port) == 200
    check = [sys.executable, "-I", "-S", ROOT / "deploy" / "ready.py"]
    environment = {"PORT": str(server.port)}
    assert subprocess.run(check, env=environment, check=False).returncode == 0
    (url,) = re.findall(r"http://\S+", server.log_text())
    assert url == f"http://localhost:{server.port}"


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
def test_the_health_check_finds_a_service_that_has_ipv6_alone(launch: StartServer) -> None:
    """Where nothing answers on 127.0.0.1 it asks ::1."""
    server = launch((*OURS, "--host", "::1"), wait=False, **QUIET)
    check = [sys.executable, "-I", "-S", ROOT / "deploy" / "ready.py"]
    environment = {"PORT": str(server.port)}
    while subprocess.run(check, env=environment, check=False).returncode:
        assert server.process.poll() is None, server.log_text()
    assert f"http://[::1]:{server.port}" in server.log_text()


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("::1", "http://[::1]:80"),
        ("0.0.0.0", "every address, http://localhost:80"),  # noqa: S104
    ],
)
def test_what_is_said_can_be_opened(host: str, url: str) -> None:
    """An address of IPv6 stands in brackets; one that is every address is no address to open."""
    assert address(host, 80) == url


def test_the_variable_port_is_the_default(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """As the image's health check reads it; the option is stronger, and what is no port is refused in a line."""
    monkeypatch.setenv("PORT", "8080")
    assert parse([]).port == 8080
    assert parse(["--port", "1"]).port == 1
    for wrong in ("http", "70000", "-1"):
        monkeypatch.setenv("PORT", wrong)
        with pytest.raises(SystemExit):
            parse([])
        assert wrong in capsys.readouterr().err.splitlines()[-1]


def test_a_machine_without_ipv6_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's own words, in one line, with the remedy."""

    def refused(*_: object, **__: object) -> None:
        raise OSError(97, "Address family not supported by protocol")

    monkeypatch.setattr(socket, "create_server", refused)
    with pytest.raises(StartError, match=r"cannot listen on :: port 1: Address family .*--host"):
        bind("::", 1)


class MacLimits:
    """The module `resource` as macOS answers: no limit is named, and more than OPEN_MAX is refused."""

    RLIMIT_NOFILE = 8
    RLIM_INFINITY = 2**63 - 1

    def __init__(self) -> None:
        self.limits = (256, self.RLIM_INFINITY)

    def getrlimit(self, _: int) -> tuple[int, int]:
        """Return soft and hard limit."""
        return self.limits

    def setrlimit(self, _: int, limits: tuple[int, int]) -> None:
        """Refuse what macOS refuses."""
        if limits[0] > 10240:
            raise ValueError("current limit exceeds maximum limit")
        self.limits = limits


def test_limits_that_macos_refuses_are_not_asked_for_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulated: it takes what it can have."""
    limits = MacLimits()
    monkeypatch.setitem(sys.modules, "resource", limits)  # type: ignore[arg-type]
    raise_file_limit()
    assert limits.limits == (10240, limits.RLIM_INFINITY)


def test_without_limits_to_raise_nothing_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulated: a Python without the module `resource`."""
    monkeypatch.setitem(sys.modules, "resource", None)  # type: ignore[arg-type]
    raise_file_limit()


def test_windows_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Simulated: there are no signals and no inherited sockets there."""
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(command, "_open_standard_streams", lambda: None)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    assert command.main([]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: python -m service needs Linux or macOS")


@pytest.mark.parametrize("closed", ["<&-", "<&- >&- 2>&-"], ids=["input", "all three"])
def test_closed_standard_streams_cost_nothing(launch: StartServer, closed: str) -> None:
    """A socket that took the number of the closed input would be lost in the worker."""
    server = launch(("sh", "-c", f"exec {' '.join(OURS)} {closed}"), **QUIET)
    assert status("127.0.0.1", server.port, "/metrics") == 200
    assert server.stop() == 0


@pytest.mark.skipif(not can_mount(), reason="needs root and unshare")
@pytest.mark.parametrize("workers", ["1", "2"])
def test_nothing_needs_to_be_writable(workers: str) -> None:
    """A read-only file system without any temporary folder: it starts, answers, and ends with 0."""
    port = free_port()
    with in_namespace(READ_ONLY, port, "--workers", workers) as process:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line.decode())
            if line.startswith(b"listening"):
                break
        assert lines[-1].startswith("listening"), lines
        assert status("127.0.0.1", port, "/metrics") == 200
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=START_LIMIT_S)
        assert process.returncode == 0
