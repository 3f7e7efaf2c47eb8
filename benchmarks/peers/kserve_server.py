"""KServe's Python model server around ONNX Runtime, asked over gRPC."""

from __future__ import annotations

import os
import sys
from typing import Any

from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer

from benchmarks.peers.model import Model as Network


class Digits(Model):
    """The model as a predictor that one writes by hand."""

    def __init__(self) -> None:
        super().__init__("digits")
        self._network = Network()
        self.ready = True

    async def predict(self, payload: InferRequest, *_: Any, **__: Any) -> InferResponse:
        """Classify one tensor of images, uint8 [N, 28, 28]."""
        found = self._network.probabilities(payload.inputs[0].as_numpy())
        output = InferOutput(name="probabilities", shape=list(found.shape), datatype="FP32")
        output.set_data_from_numpy(found, binary_data=True)
        return InferResponse(response_id=payload.id, model_name=self.name, infer_outputs=[output])


if __name__ == "__main__":
    ModelServer(http_port=int(sys.argv[1]), grpc_port=int(os.environ["BENCH_GRPC_PORT"])).start([Digits()])
