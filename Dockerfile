# The service and its model, without anything that trains: no torch, no compiler, no pip cache.
#
#     docker build --build-arg RUNTIME=cpu -t digit-service:cpu .      (or gpu: onnxruntime-gpu with its CUDA and cuDNN wheels)
#     HEIC=no leaves out pillow-heif, whose wheel holds x265 under the GPL: for an image that is passed on without its source.
#     docker run --rm -p 3000:3000 --read-only --tmpfs /tmp --cap-drop ALL digit-service:cpu

FROM python:3.11-slim-bookworm AS packages
ARG RUNTIME=cpu
ARG HEIC=yes
COPY requirements/${RUNTIME}.txt /requirements.txt
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv --without-pip /opt/venv \
 && pip --python /opt/venv install --no-compile --require-hashes --only-binary :all: -r /requirements.txt \
 && if [ "${HEIC}" = no ]; then pip --python /opt/venv uninstall --yes pillow-heif; fi

FROM python:3.11-slim-bookworm
COPY --from=packages /opt/venv /opt/venv
# /tmp is all that the service writes to. A GPU container gets its driver from NVIDIA's toolkit, which reads the last two.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    BENTOML_HOME=/tmp/bentoml \
    BENTOML_DO_NOT_TRACK=True \
    ORT_DISABLE_TELEMETRY=1 \
    PORT=3000 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
WORKDIR /app
# What changes most comes last, so that a change of the code rebuilds in seconds. The base image has no byte code, not even
# of the standard library, and none can be written where the file system is read-only: it is made here, for what the service
# imports and nothing else.
RUN python -c "import _bentoml_impl.server.app, bentoml.validators, cv2, grpc.aio, multipart, numpy, onnxruntime, PIL.Image, pydantic_settings, uvicorn, uvloop"
COPY deploy/ready.py ready.py
COPY models models
COPY service service
# One start of the decoder of HEIC and AVIF, and one of the service, which prove that the image serves, and make the rest
# of the byte code.
# hadolint ignore=DL3001
RUN python -m service.preprocess.sandboxed < /dev/null > /dev/null \
 && DIGITS_LAME_DUCK_S=0 DIGITS_GRPC_PORT=50051 python -m service & \
    timeout 60 sh -c 'until python -I -S ready.py; do sleep 0.2; done' \
 && kill $! && wait $!

# "licenses" is of the service itself; each package's own is in its .dist-info folder.
ARG VERSION=0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="digit-service" \
      org.opencontainers.image.description="Handwritten digits over HTTP: a small ConvNet on ONNX Runtime behind BentoML" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

USER 10001:10001
EXPOSE 3000 50051
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-I", "-S", "/app/ready.py"]
CMD ["python", "-m", "service", "--host", "0.0.0.0"]
