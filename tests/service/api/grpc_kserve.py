"""KServe's gRPC client against the server on a port; a program of its own, since it and NVIDIA's exclude each other."""

from __future__ import annotations

import asyncio
import sys

import grpc
import numpy as np
from kserve import InferenceGRPCClient, InferInput, InferRequest

HEADERS = (("authorization", "Bearer secret"),)


async def main(port: str) -> None:
    """Ask what it can ask."""
    images = np.frombuffer(sys.stdin.buffer.read(5 * 784), np.uint8).reshape(5, 28, 28)
    async with InferenceGRPCClient(f"127.0.0.1:{port}") as client:
        assert await client.is_server_live()
        assert await client.is_server_ready()
        assert await client.is_model_ready("digits", headers=HEADERS)
        answers = []
        for binary in (True, False):  # raw bytes, then typed contents
            given = InferInput("images", [5, 28, 28], "UINT8")
            given.set_data_from_numpy(images, binary_data=binary)
            request = InferRequest(model_name="digits", infer_inputs=[given], request_id="r-8")
            answer = await client.infer(request, headers=HEADERS)
            assert answer.id == "r-8"
            answers.append({output.name: output.as_numpy() for output in answer.outputs})
        for name, values in answers[0].items():
            np.testing.assert_allclose(answers[1][name], values, rtol=0, atol=1e-7)
        assert (answers[0]["probabilities"].argmax(1) == answers[0]["digit"]).all()
        try:
            await client.infer(InferRequest(model_name="letters", infer_inputs=[given]), headers=HEADERS)
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.NOT_FOUND  # noqa: PT017 - no pytest here
        else:
            raise AssertionError("there is no model letters")


asyncio.run(main(sys.argv[1]))
