"""Calls to the gRPC port by our own messages: the generated ones of two clients exclude each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray
from serving import Server, free_port, start_server

from service.api import grpc_messages as messages

INFERENCE = "/inference.GRPCInferenceService/"
INFER = INFERENCE + "ModelInfer"
CHECK = "/grpc.health.v1.Health/Check"
WATCH = "/grpc.health.v1.Health/Watch"


class Calls:
    """A channel to a server on loopback."""

    def __init__(self, port: int, key: str | None = None) -> None:
        self.channel = grpc.insecure_channel(
            f"127.0.0.1:{port}", options=[("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", -1)]
        )
        self._metadata = [("authorization", f"Bearer {key}")] if key else []

    def send(self, method: str, data: bytes = b"", timeout: float = 30) -> bytes:
        """Send bytes as the message of a call; return those of the answer, or raise grpc.RpcError."""
        answer: bytes = self.channel.unary_unary(method)(data, timeout=timeout, metadata=self._metadata)
        return answer

    def infer(self, request: Any, timeout: float = 30) -> Any:
        """Call ModelInfer."""
        return messages.ModelInferResponse.FromString(self.send(INFER, request.SerializeToString(), timeout))

    def refusal(self, request: Any, method: str = INFER) -> tuple[grpc.StatusCode, str]:
        """Call in vain; return the status and its message."""
        data = request if isinstance(request, bytes) else request.SerializeToString()
        try:
            self.send(method, data)
        except grpc.RpcError as error:
            return error.code(), error.details()
        raise AssertionError("the call was answered")


def start_grpc(start: Any = start_server, *given: Any, **settings: Any) -> tuple[Server, int]:
    """Start a service with the gRPC port open; return it and the port."""
    port = free_port()
    return start(*given, grpc_port=port, **settings), port


def images_request(images_u8: NDArray[np.uint8], outputs: Sequence[str] = (), **fields: Any) -> Any:
    """Ask about uint8 images [N, 28, 28] as raw bytes."""
    request = messages.ModelInferRequest(model_name="digits", **fields)
    request.inputs.add(name="images", datatype="UINT8", shape=images_u8.shape)
    request.raw_input_contents.append(images_u8.tobytes())
    for name in outputs:
        request.outputs.add(name=name)
    return request


def bars(count: int) -> NDArray[np.uint8]:
    """Return images [count, 28, 28] with a bar, all different, as MNIST would hold them."""
    images = np.zeros((count, 28, 28), np.uint8)
    for i in range(count):
        images[i, 4:24, 12 + i % 5 : 15 + i % 5] = 255 - i
    return images


def array(answer: Any, name: str, dtype: str) -> NDArray[Any]:
    """Return a raw output of an answer."""
    place = [output.name for output in answer.outputs].index(name)
    return np.frombuffer(answer.raw_output_contents[place], dtype).reshape(tuple(answer.outputs[place].shape))
