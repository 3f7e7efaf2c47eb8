"""NVIDIA's gRPC client against the server on a port; a program of its own, since it and KServe's exclude each other."""

from __future__ import annotations

import sys

import numpy as np
import tritonclient.grpc as triton

address, key = f"127.0.0.1:{sys.argv[1]}", {"authorization": "Bearer secret"}
images = np.frombuffer(sys.stdin.buffer.read(5 * 784), np.uint8).reshape(5, 28, 28)
files = np.array([sys.stdin.buffer.read()], object)
with triton.InferenceServerClient(address) as client:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("digits", headers=key)
    assert client.is_model_ready("digits", "1", headers=key)
    assert not client.is_model_ready("letters", headers=key)
    assert client.get_server_metadata(headers=key).name == "digit-service"
    metadata = client.get_model_metadata("digits", headers=key)
    assert [(one.name, one.datatype, list(one.shape)) for one in metadata.inputs] == [
        ("images", "UINT8", [-1, 28, 28]),
        ("pictures", "BYTES", [-1]),
    ]
    given = triton.InferInput("images", images.shape, "UINT8")
    given.set_data_from_numpy(images)
    wanted = [triton.InferRequestedOutput(name) for name in ("digit", "probabilities")]
    answer = client.infer("digits", [given], request_id="r-7", outputs=wanted, headers=key)
    assert answer.get_response().id == "r-7"
    assert [output.name for output in answer.get_response().outputs] == ["digit", "probabilities"]
    assert (answer.as_numpy("probabilities").argmax(1) == answer.as_numpy("digit")).all()
    np.testing.assert_allclose(answer.as_numpy("probabilities").sum(1), 1, atol=1e-5)
    best = [triton.InferRequestedOutput(name, class_count=2) for name in ("probabilities", "logits")]
    classes = client.infer("digits", [given], outputs=best, headers=key)
    for name in ("probabilities", "logits"):
        found = classes.as_numpy(name)
        assert found.shape == (5, 2)
        for row, scores in zip(found, client.infer("digits", [given], headers=key).as_numpy(name), strict=True):
            first, second = np.argsort(-scores)[:2]
            assert [text.decode() for text in row] == [
                f"{scores[first]:f}:{first}:{first}",
                f"{scores[second]:f}:{second}:{second}",
            ]
    picture = triton.InferInput("pictures", [1], "BYTES")
    picture.set_data_from_numpy(files)
    seen = client.infer("digits", [picture], headers=key)
    assert seen.as_numpy("rejected").tolist() == [b""]
    assert seen.as_numpy("digit")[0] == answer.as_numpy("digit")[0]
    for options, said in (
        ({"headers": {}}, "StatusCode.UNAUTHENTICATED"),
        ({"model_version": "7"}, "StatusCode.NOT_FOUND"),
        ({"priority": 1}, "parameter 'priority'"),
        ({"compression_algorithm": "gzip"}, "StatusCode.UNIMPLEMENTED"),
    ):
        try:
            client.infer("digits", [given], **{"headers": key, **options})
        except triton.InferenceServerException as error:
            assert said in str(error), error  # noqa: PT017 - no pytest here
        else:
            raise AssertionError(options)
