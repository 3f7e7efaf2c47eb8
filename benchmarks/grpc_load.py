"""gRPC: this service beside KServe's model server and a bare grpc.aio server: `python -m benchmarks.grpc_load`."""

from __future__ import annotations

import argparse
import asyncio
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from statistics import median, quantiles
from typing import Final, NamedTuple

import grpc
import numpy as np

from benchmarks.load import BenchmarkError
from benchmarks.servers import Running, Server, running
from benchmarks.table import markdown
from benchmarks.workloads import images
from service.api.grpc_messages import ModelInferRequest, ModelInferResponse

METHOD: Final = "/inference.GRPCInferenceService/ModelInfer"
START_LIMIT_S: Final = 60
WARM_UP_S: Final = 0.5
CELLS: Final = tuple((connections, count) for connections in (1, 16) for count in (1, 64))
SERVERS: Final = (
    Server("this service", ("-m", "service", "--port={port}", "--workers={workers}"), "/readyz", "", {}),
    Server("bare grpc.aio", ("-m", "benchmarks.peers.grpc_floor"), "", "", {}),
    Server("KServe's model server", ("-m", "benchmarks.peers.kserve_server", "{port}"), "/v2/health/ready", "", {}),
)
TRITON: Final = Server(
    "Triton, Python back end",
    ("-m", "benchmarks.peers.triton_server", "{port}"),
    "/v2/models/digits/ready",
    "",
    {},
)


class Load(NamedTuple):
    """One round of one cell: calls in a second, 99th percentile of the latency, the server's processor time a call."""

    per_s: float
    p99_ms: float
    cpu_us: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what the options say and print the table."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.grpc_load", description=__doc__)
    options.add_argument("--seconds", type=float, default=3, help="of load for each figure (default: 3)")
    options.add_argument("--rounds", type=int, default=3, help="of which medians are taken (default: 3)")
    options.add_argument(
        "--triton", metavar="PYTHON", help="interpreter of an environment with nvidia-pytriton, onnxruntime and pillow"
    )
    given = options.parse_args(arguments)
    servers = [*SERVERS, *([replace(TRITON, python=given.triton)] if given.triton else [])]
    found: dict[tuple[str, int, int], list[Load]] = {}
    try:
        for _ in range(given.rounds):
            for server in servers:
                for (connections, count), load in measure_server(server, given.seconds).items():
                    found.setdefault((server.title, connections, count), []).append(load)
    except BenchmarkError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    lines = [["connections, images a call", *(server.title for server in servers)]]
    for connections, count in CELLS:
        rounds = [found[server.title, connections, count] for server in servers]
        lines.append([f"{connections}, {count}", *(_cell(each, rounds[0]) for each in rounds)])
    print(markdown(lines))
    return 0


def measure_server(server: Server, seconds: float) -> dict[tuple[int, int], Load]:
    """Start a server and measure every cell once.

    Raises:
        BenchmarkError: it does not start, or answers wrongly.
    """
    with _started(server) as (one, port):
        return {
            (connections, count): asyncio.run(_measure(one, port, connections, count, seconds))
            for connections, count in CELLS
        }


@contextmanager
def _started(server: Server) -> Iterator[tuple[Running, int]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    server.environment.update({"BENCH_GRPC_PORT": str(port), "DIGITS_GRPC_PORT": str(port)})
    with running(server) as one:
        yield one, port


async def _measure(server: Running, port: int, connections: int, count: int, seconds: float) -> Load:
    pixels = images(count)
    request = ModelInferRequest(model_name="digits", id="1", raw_input_contents=[pixels.tobytes()])
    request.inputs.add(name="images", datatype="UINT8", shape=pixels.shape)
    request.outputs.add(name="probabilities")
    data = request.SerializeToString()
    async with AsyncExitStack() as stack:
        calls = []
        for _ in range(connections):
            options = [("grpc.use_local_subchannel_pool", 1)]  # or all channels would share one connection
            channel = await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{port}", options))
            await asyncio.wait_for(channel.channel_ready(), START_LIMIT_S)
            calls.append(channel.unary_unary(METHOD))
        _check(await calls[0](data), count)
        await _send(calls, data, WARM_UP_S)
        before = server.cpu_s()
        times = await _send(calls, data, seconds)
        cpu_s = server.cpu_s() - before
    p99 = quantiles(times, n=100)[98]
    return Load(len(times) / seconds, p99 * 1e3, cpu_s / len(times) * 1e6)


def _check(data: bytes, count: int) -> None:
    answer = ModelInferResponse.FromString(data)
    found = np.frombuffer(answer.raw_output_contents[0], np.float32).reshape(count, -1)
    if not np.allclose(found.sum(axis=1), 1, atol=1e-3):
        raise BenchmarkError(f"the probabilities of {count} images do not add up to 1: {found.sum(axis=1)}")


async def _send(calls: Sequence[grpc.aio.UnaryUnaryMultiCallable], data: bytes, seconds: float) -> list[float]:
    """Call over and over on each connection for so many seconds; the seconds that each call took."""
    times: list[float] = []
    ends_at = time.perf_counter() + seconds

    async def call_on(call: grpc.aio.UnaryUnaryMultiCallable) -> None:
        started = time.perf_counter()
        while started < ends_at:
            await call(data)
            ended = time.perf_counter()
            times.append(ended - started)
            started = ended

    await asyncio.gather(*map(call_on, calls))
    return times


def _cell(rounds: Sequence[Load], ours: Sequence[Load]) -> str:
    per_s, p99_ms, cpu_us = (median(values) for values in zip(*rounds, strict=True))
    ratio = per_s / median(each.per_s for each in ours)
    return f"{per_s:,.0f}/s ({ratio:.2f} ×), p99 {p99_ms:.1f} ms, CPU {cpu_us:,.0f} µs"


if __name__ == "__main__":
    sys.exit(main())
