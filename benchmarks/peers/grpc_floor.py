"""A bare grpc.aio server: one method by hand, without checks, batching or metrics."""

from __future__ import annotations

import asyncio
import os

import grpc
import numpy as np

from benchmarks.peers.model import SIDE, Model
from service.api.grpc_messages import ModelInferRequest, ModelInferResponse


class _Infer(grpc.GenericRpcHandler):
    def __init__(self) -> None:
        self._model = Model()

    def service(self, _: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        """Answer every method as if it were ModelInfer."""
        return grpc.unary_unary_rpc_method_handler(
            self._answer, ModelInferRequest.FromString, ModelInferResponse.SerializeToString
        )

    async def _answer(self, request: ModelInferRequest, _: grpc.aio.ServicerContext) -> ModelInferResponse:
        found = self._model.probabilities(
            np.frombuffer(request.raw_input_contents[0], np.uint8).reshape(-1, SIDE, SIDE)
        )
        answer = ModelInferResponse(model_name="digits", raw_output_contents=[found.tobytes()])
        answer.outputs.add(name="probabilities", datatype="FP32", shape=found.shape)
        return answer


async def serve() -> None:
    """Answer until the process is ended."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((_Infer(),))
    server.add_insecure_port(f"127.0.0.1:{os.environ['BENCH_GRPC_PORT']}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve())
