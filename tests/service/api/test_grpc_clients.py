"""Other people's gRPC clients, unchanged, against the running service."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from grpc_calls import INFERENCE, bars, start_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from PIL import Image
from serving import START_LIMIT_S, Server, start_server

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the clients
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, int]]:
    """One server with the key `secret`; it ends with 0."""
    server, port = start_grpc(start_server, tmp_path_factory.mktemp("grpc"), api_key="secret", lame_duck_s=0)
    yield server, port
    assert server.stop() == 0, server.log_text()


@pytest.mark.parametrize("client", ["grpc_triton", "grpc_kserve"])
def test_the_clients_of_nvidia_and_kserve_get_what_they_ask_for(keyed: tuple[Server, int], client: str) -> None:
    """Health, metadata, images and pictures, raw and typed, and the errors that they can meet."""
    images = bars(5)
    file = io.BytesIO()
    Image.fromarray(images[0]).save(file, "PNG")
    command = [sys.executable, HERE / f"{client}.py", str(keyed[1])]
    asked = images.tobytes() + file.getvalue()
    done = subprocess.run(command, input=asked, capture_output=True, check=False, timeout=START_LIMIT_S)
    assert done.returncode == 0, done.stderr.decode()


def test_the_standard_health_client_needs_no_key(keyed: tuple[Server, int]) -> None:
    """Check and the first word of Watch say SERVING, and an unknown service is told as the protocol says."""
    with grpc.insecure_channel(f"127.0.0.1:{keyed[1]}") as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        for service in ("", INFERENCE.strip("/")):
            request = health_pb2.HealthCheckRequest(service=service)
            assert stub.Check(request, timeout=30).status == health_pb2.HealthCheckResponse.SERVING
            watch = stub.Watch(request, timeout=30)
            assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
            watch.cancel()
        unknown = health_pb2.HealthCheckRequest(service="letters")
        assert next(stub.Watch(unknown, timeout=30)).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        with pytest.raises(grpc.RpcError) as refused:
            stub.Check(unknown, timeout=30)
        assert refused.value.code() == grpc.StatusCode.NOT_FOUND
