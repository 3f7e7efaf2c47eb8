"""The end of the gRPC port under load: clients are sent away between frames, and no call is lost."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING, Self

import grpc
import numpy as np
import pytest
from grpc_calls import INFER, INFERENCE, WATCH, Calls, array, bars, images_request, start_grpc
from serving import wait_for

from service.api import grpc_messages as messages
from service.model.artifact import load_artifact
from service.model.session import DigitSession
from service.server.http2_relay import FrameEnds
from service.settings import SHIPPED_MODEL

if TYPE_CHECKING:
    from serving import StartServer

CLIENTS = 16


class Load:
    """Busy clients, each with a connection of its own; an answer that is wrong or does not come is a problem."""

    def __init__(self, port: int) -> None:
        self.answers = 0
        self.problems: list[str] = []
        self.refused = 0
        self._port = port
        self._images = bars(CLIENTS)
        self._digits = DigitSession(load_artifact(SHIPPED_MODEL), "cpu").run(self._images).probabilities.argmax(1)
        self._threads = [threading.Thread(target=self._client, args=(number,)) for number in range(CLIENTS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        wait_for(lambda: self.answers >= CLIENTS * 10 or bool(self.problems))
        return self

    def __exit__(self, *_: object) -> None:
        for thread in self._threads:
            thread.join()

    def _client(self, number: int) -> None:
        """Ask until nobody listens any more."""
        calls = Calls(self._port)
        count = 1 + number % 4
        images = np.repeat(self._images[number : number + 1], count, axis=0)
        request = images_request(images, outputs=["digit"])
        while True:
            try:
                answer = calls.infer(request)
            except grpc.RpcError as error:
                if error.code() == grpc.StatusCode.UNAVAILABLE and "failed to connect" in (error.details() or ""):
                    self.refused += 1  # nothing listens: refused, and so not lost
                else:
                    self.problems.append(f"{error.code()}: {error.details()}")
                return
            if array(answer, "digit", "<i8").tolist() != [self._digits[number]] * count:
                self.problems.append("a wrong answer")
            self.answers += 1


def test_no_call_is_lost_when_the_end_comes_under_load(launch: StartServer) -> None:
    """All answers are right and come; then nothing listens; the process ends with 0."""
    server, port = start_grpc(launch, lame_duck_s=1)
    with Load(port) as load:
        status = server.stop()
    assert load.problems == [], server.log_text()
    assert load.refused == CLIENTS
    assert status == 0, server.log_text()


def test_in_the_lame_duck_it_is_not_ready_and_answers(launch: StartServer) -> None:
    """All questions about readiness get a no, those who watch are told, and calls are answered."""
    server, port = start_grpc(launch, lame_duck_s=60)
    calls = Calls(port)
    request = messages.HealthCheckRequest().SerializeToString()
    watch = calls.channel.unary_stream(WATCH)(request, timeout=60)
    health = messages.HealthCheckResponse
    assert health.FromString(next(watch)).status == 1
    server.process.terminate()
    assert health.FromString(next(watch)).status == 2
    assert messages.ServerReadyResponse.FromString(calls.send(INFERENCE + "ServerReady")).ready is False
    asked = messages.ModelReadyRequest(name="digits").SerializeToString()
    assert messages.ModelReadyResponse.FromString(calls.send(INFERENCE + "ModelReady", asked)).ready is False
    assert messages.ServerLiveResponse.FromString(calls.send(INFERENCE + "ServerLive")).live is True
    assert len(calls.infer(images_request(bars(1))).outputs) == 3
    watch.cancel()


def test_those_who_watch_do_not_keep_it_from_ending(launch: StartServer) -> None:
    """They are told that it ends, and to ask another instance."""
    server, port = start_grpc(launch, lame_duck_s=0)
    watch = Calls(port).channel.unary_stream(WATCH)(b"", timeout=60)
    next(watch)
    status = server.stop()
    with pytest.raises(grpc.RpcError, match="shutting down; send the request to another instance") as ended:
        list(watch)
    assert ended.value.code() == grpc.StatusCode.UNAVAILABLE
    assert status == 0


def test_a_call_that_is_in_work_is_answered(launch: StartServer) -> None:
    """Its answer comes although the lame duck ended meanwhile."""
    server, port = start_grpc(launch, lame_duck_s=0, max_wait_ms=1000)
    calls = Calls(port)
    calls.send(INFERENCE + "ServerLive")
    answer = calls.channel.unary_unary(INFER).future(images_request(bars(1)).SerializeToString(), timeout=30)
    calls.send(INFERENCE + "ServerLive")  # the one before it has been read
    status = server.stop()
    assert len(messages.ModelInferResponse.FromString(answer.result()).outputs) == 3
    assert status == 0


def test_frame_ends_are_found_however_the_bytes_are_cut() -> None:
    """Only between two frames, and never before the first, may one more be put in."""
    choose = random.Random(0)
    frames = [bytes([0, size >> 8, size & 255]) + bytes(6 + size) for size in (0, 1, 9, 300, 8, 20000, 0)]
    stream = b"".join(frames)
    ends = {sum(map(len, frames[:count])) for count in range(1, len(frames) + 1)}
    assert not FrameEnds().at_end
    for _ in range(200):
        anywhere = choose.sample(range(1, len(stream)), choose.randrange(1, 30))
        cuts = sorted({*anywhere, *choose.sample(sorted(ends), 3), len(stream)})
        found, at = FrameEnds(), 0
        for cut in cuts:
            found.feed(stream[at:cut])
            assert found.at_end == (cut in ends), cut
            at = cut
