"""NVIDIA's Triton around ONNX Runtime in its Python back end, as the wheel of `nvidia-pytriton` brings it."""

from __future__ import annotations

import os
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

from benchmarks.peers.model import SIDE, Model

MAX_BATCH = 64


def serve(http_port: int, grpc_port: int) -> None:
    """Answer until the process is ended."""
    model = Model()

    @batch  # type: ignore[untyped-decorator]
    def infer(images: NDArray[np.uint8]) -> dict[str, Any]:
        return {"probabilities": model.probabilities(images)}

    with Triton(config=TritonConfig(http_port=http_port, grpc_port=grpc_port, allow_metrics=False)) as triton:
        triton.bind(
            model_name="digits",
            infer_func=infer,
            inputs=[Tensor(name="images", dtype=np.uint8, shape=(SIDE, SIDE))],
            outputs=[Tensor(name="probabilities", dtype=np.float32, shape=(10,))],
            config=ModelConfig(max_batch_size=MAX_BATCH, batcher=DynamicBatcher(max_queue_delay_microseconds=0)),
        )
        triton.serve()


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(os.environ["BENCH_GRPC_PORT"]))
