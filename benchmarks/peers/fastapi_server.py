"""What one writes by hand in an afternoon: FastAPI around ONNX Runtime."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request, UploadFile

from benchmarks.peers.model import Model

app = FastAPI()
model = Model()


@app.get("/ready")
async def ready() -> str:
    """Say that the server answers."""
    return "ready"


@app.post("/predict")
async def predict(image: UploadFile) -> dict[str, Any]:
    """Classify one uploaded picture."""
    return model.answer_file(await image.read())


@app.post("/predict_raw")
async def predict_raw(request: Request) -> dict[str, Any]:
    """Classify the picture that is the body."""
    return model.answer_file(await request.body())


@app.post("/predict_batch")
async def predict_batch(images: list[UploadFile]) -> list[dict[str, Any]]:
    """Classify several uploaded pictures."""
    return [model.answer_file(await image.read()) for image in images]


@app.post("/pixels")
async def pixels(request: Request) -> list[int]:
    """Classify raw pixels, N × 784 bytes."""
    return model.digits(await request.body())
