"""What an attacker sends to the gRPC port: he is refused, others are answered, and nothing is lost for good."""

from __future__ import annotations

import random
import socket
import struct
import threading
import time
from collections.abc import Iterator

import grpc
import numpy as np
import psutil
import pytest
from grpc_calls import CHECK, INFER, Calls, bars, images_request, start_grpc
from serving import Server, start_server, wait_for

from service.api import grpc_messages as messages

Code = grpc.StatusCode
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, int]]:
    """One server with small limits on bodies; it ends with 0, and has logged nothing unexpected."""
    folder = tmp_path_factory.mktemp("grpc")
    server, port = start_grpc(start_server, folder, lame_duck_s=0, max_body_mib=1, max_held_mib=4, timeout_s=5)
    yield server, port
    assert server.stop() == 0, server.log_text()
    assert "unexpected" not in server.log_text(), server.log_text()[-4000:]
    assert "Traceback" not in server.log_text()


@pytest.fixture
def calls(attacked: tuple[Server, int]) -> Iterator[Calls]:
    """Calls to that server, which still answers after the test."""
    calls = Calls(attacked[1])
    yield calls
    assert len(calls.infer(images_request(bars(1))).outputs) == 3


def memory_mib(server: Server) -> float:
    """Resident memory of the only worker."""
    (worker,) = psutil.Process(server.process.pid).children()
    return float(worker.memory_info().rss) / 2**20


def test_random_and_mutated_messages_are_refused(calls: Calls) -> None:
    """Never INTERNAL or UNKNOWN, whatever the bytes; what happens to be well-formed is answered."""
    choose = random.Random(0)
    refusals = []
    good = images_request(bars(1), ["digit"], id="a").SerializeToString()
    for number in range(300):
        data = bytearray(choose.randbytes(choose.randrange(200)) if number % 3 == 0 else good)
        if number % 3:
            for _ in range(choose.choice([1, 3, 30])):
                data[choose.randrange(60)] = choose.randrange(256)
        try:
            calls.send(INFER, bytes(data))
        except grpc.RpcError as error:
            refusals.append(error.code())
    assert set(refusals) == {Code.INVALID_ARGUMENT, Code.NOT_FOUND}


def test_a_message_beyond_the_limit_is_refused(calls: Calls) -> None:
    """The limit is DIGITS_MAX_BODY_MIB, as over HTTP."""
    code, said = calls.refusal(images_request(np.zeros((1500, 28, 28), np.uint8)))
    assert code == Code.RESOURCE_EXHAUSTED
    assert "larger than max" in said


def test_a_compressed_message_is_refused_unopened(calls: Calls, attacked: tuple[Server, int]) -> None:
    """A bomb of 100 MiB does not go off, since the library would inflate it without a limit."""
    before = memory_mib(attacked[0])
    call = calls.channel.unary_unary(INFER)
    with pytest.raises(grpc.RpcError) as refused:
        call(bytes(100 * 2**20), timeout=60, compression=grpc.Compression.Gzip)
    assert refused.value.code() == Code.UNIMPLEMENTED
    assert memory_mib(attacked[0]) < before + 50


def test_too_many_pictures_are_refused(calls: Calls) -> None:
    """As many elements as fit into the message, and more than one request may hold."""
    request = messages.ModelInferRequest(model_name="digits")
    request.inputs.add(name="pictures", datatype="BYTES", shape=[200_000])
    request.inputs[0].contents.bytes_contents.extend([b""] * 200_000)
    code, said = calls.refusal(request)
    assert code == Code.INVALID_ARGUMENT
    assert "200000 pictures, at most 1024" in said


def test_calls_without_a_message_or_with_two_are_harmless(calls: Calls) -> None:
    """None is refused; of two, the first is answered."""
    method = calls.channel.stream_unary(INFER)
    with pytest.raises(grpc.RpcError) as refused:
        method(iter(()), timeout=30)
    assert (refused.value.code(), refused.value.details()) == (
        Code.INVALID_ARGUMENT,
        "the call has no message, expected one",
    )
    data = images_request(bars(1)).SerializeToString()
    assert method(iter((data, b"\xff")), timeout=30)


def test_messages_that_never_arrive_hold_nobody_up(calls: Calls, attacked: tuple[Server, int]) -> None:
    """Twenty calls that send nothing take all places; those with a message still get their answers."""
    held = threading.Event()

    def nothing() -> Iterator[bytes]:
        held.wait(60)
        yield from ()

    attackers = [Calls(attacked[1]).channel.stream_unary(INFER).future(nothing(), timeout=60) for _ in range(20)]
    try:
        for _ in range(3):
            calls.infer(images_request(bars(1)), timeout=60)
    finally:
        for attacker in attackers:
            attacker.cancel()
        held.set()


def test_callers_who_leave_leave_nothing_behind(calls: Calls, attacked: tuple[Server, int]) -> None:
    """Half of 400 calls are cancelled at once, and connections cut in the middle of a frame."""
    data = images_request(bars(64)).SerializeToString()
    method = calls.channel.unary_unary(INFER)
    asked = [method.future(data, timeout=60) for _ in range(400)]
    for one in asked[::2]:
        one.cancel()
    for one in asked[1::2]:
        assert one.result()
    for _ in range(50):
        with socket.create_connection(("127.0.0.1", attacked[1]), timeout=30) as connection:
            connection.sendall(PREFACE + SETTINGS + b"\x00\x40\x00\x01")
    calls.send(CHECK)


def test_bytes_that_are_no_http2_end_their_connection(calls: Calls, attacked: tuple[Server, int]) -> None:
    """HTTP/1.1, TLS, random bytes and broken frames: closed, while others go on."""
    choose = random.Random(1)
    frames = [
        PREFACE + SETTINGS + struct.pack(">I", choose.randrange(2**24) << 8)[:3] + choose.randbytes(60)
        for _ in range(40)
    ]
    window = PREFACE + SETTINGS + b"\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00" * 50
    pings = PREFACE + SETTINGS + (b"\x00\x00\x08\x06\x00\x00\x00\x00\x00" + bytes(8)) * 20_000
    for data in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00" + bytes(600), bytes(5000), window, pings, *frames):
        with socket.create_connection(("127.0.0.1", attacked[1]), timeout=30) as connection:
            try:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass
            except OSError:
                pass  # reset: refused too
    calls.send(CHECK)


def test_streams_that_are_reset_at_once_are_bounded(calls: Calls, attacked: tuple[Server, int]) -> None:
    """The "rapid reset" of 2023: many streams begun and taken back in one go cost neither memory nor the service."""
    before = memory_mib(attacked[0])
    head = bytes.fromhex("838604") + bytes([len(INFER)]) + INFER.encode()
    with socket.create_connection(("127.0.0.1", attacked[1]), timeout=30) as connection:
        connection.sendall(PREFACE + SETTINGS)
        try:
            for stream in range(1, 20_001, 2):
                number = struct.pack(">I", stream)
                frame = struct.pack(">I", len(head))[1:] + b"\x01\x04" + number + head
                connection.sendall(frame + b"\x00\x00\x04\x03\x00" + number + b"\x00\x00\x00\x08")
        except OSError:
            pass  # cut off, rightly
    started = time.monotonic()
    calls.send(CHECK)
    assert time.monotonic() - started < 30
    wait_for(lambda: memory_mib(attacked[0]) < before + 60)
