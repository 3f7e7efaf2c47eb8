"""Calls every public method of NVIDIA's clients: `triton_surface.py http|grpc PORT` prints what became of each.

A program of its own, since its gRPC client and KServe's exclude each other. The last line is a JSON object: method to
`answered`, `refused: <message>`, or `local` where the client sends nothing.
"""

from __future__ import annotations

import importlib
import json
import queue
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

MODEL = "digits"
REFUSED = {"400", "StatusCode.UNIMPLEMENTED"}


class Surface:
    """One client, and a call of each of its methods.

    Args:
        protocol: http or grpc.
        port: of the server on loopback.
    """

    def __init__(self, protocol: str, port: str) -> None:
        self.triton: Any = importlib.import_module(f"tritonclient.{protocol}")
        self.is_grpc = protocol == "grpc"
        self.client = self.triton.InferenceServerClient(f"127.0.0.1:{port}")
        self.images = self.triton.InferInput("images", [1, 28, 28], "UINT8")
        self.images.set_data_from_numpy(np.zeros((1, 28, 28), np.uint8))

    def calls(self) -> dict[str, Callable[[], Any]]:
        """Return what to call by the name of the method."""
        client, images = self.client, self.images
        both: dict[str, Callable[[], Any]] = {
            "is_server_live": lambda: self.true(client.is_server_live()),
            "is_server_ready": lambda: self.true(client.is_server_ready()),
            "is_model_ready": lambda: self.true(client.is_model_ready(MODEL, "1")),
            "get_server_metadata": client.get_server_metadata,
            "get_model_metadata": lambda: client.get_model_metadata(MODEL),
            "get_model_config": lambda: client.get_model_config(MODEL, "1"),
            "get_model_repository_index": client.get_model_repository_index,
            "get_inference_statistics": client.get_inference_statistics,
            "infer": lambda: client.infer(MODEL, [images]),
            "async_infer": self.async_infer,
            "load_model": lambda: client.load_model(MODEL),
            "unload_model": lambda: client.unload_model(MODEL),
            "get_trace_settings": lambda: client.get_trace_settings(MODEL),
            "update_trace_settings": lambda: client.update_trace_settings(settings={"trace_rate": "1"}),
            "get_log_settings": client.get_log_settings,
            "update_log_settings": lambda: client.update_log_settings({"log_info": True}),
            "get_system_shared_memory_status": client.get_system_shared_memory_status,
            "register_system_shared_memory": lambda: client.register_system_shared_memory("a", "/a", 8),
            "unregister_system_shared_memory": client.unregister_system_shared_memory,
            "get_cuda_shared_memory_status": client.get_cuda_shared_memory_status,
            "register_cuda_shared_memory": lambda: client.register_cuda_shared_memory("a", b"YQ==", 0, 8),
            "unregister_cuda_shared_memory": lambda: client.unregister_cuda_shared_memory("a"),
            "plugin": self.local,
            "register_plugin": self.local,
            "unregister_plugin": self.local,
            "close": self.local,
        }
        if self.is_grpc:
            return {**both, "start_stream": self.local, "stop_stream": self.local, "async_stream_infer": self.stream}
        return {**both, "generate_request_body": self.local, "parse_response_body": self.local}

    def async_infer(self) -> Any:
        """Ask without waiting, then wait."""
        if not self.is_grpc:
            return self.client.async_infer(MODEL, [self.images]).get_result()
        answers: queue.Queue[Any] = queue.Queue()
        self.client.async_infer(MODEL, [self.images], lambda result, error: answers.put(error or result))
        return self.raised(answers.get(timeout=60))

    def stream(self) -> Any:
        """Ask over a stream."""
        answers: queue.Queue[Any] = queue.Queue()
        self.client.start_stream(lambda result, error: answers.put(error or result))
        try:
            self.client.async_stream_infer(MODEL, [self.images])
            return self.raised(answers.get(timeout=60))
        finally:
            self.client.stop_stream(cancel_requests=True)

    def raised(self, outcome: Any) -> Any:
        """Raise an outcome that is an error."""
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def true(self, answer: bool) -> None:
        """Hold a yes or no to yes."""
        if not answer:
            raise AssertionError("no")

    def local(self) -> str:
        """Stand for a method that sends nothing."""
        return "local"

    def walk(self) -> dict[str, str]:
        """Call everything; fail for a public method that no call is known for, or an error that is no refusal."""
        calls = self.calls()
        public = {name for name in dir(self.client) if not name.startswith("_")}
        if public != set(calls):
            raise AssertionError(f"no call for {public - set(calls)}, no method for {set(calls) - public}")
        outcomes = {}
        for name, call in calls.items():
            try:
                outcomes[name] = "local" if call() == "local" else "answered"
            except self.triton.InferenceServerException as error:
                if error.status() not in REFUSED:
                    raise
                outcomes[name] = f"refused: {error.message()}"
        self.client.close()
        return outcomes


if __name__ == "__main__":
    sys.stdout.write(f"\n{json.dumps(Surface(*sys.argv[1:]).walk())}\n")
