"""The settings: environment variables with the prefix DIGITS_, read once at start."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from service.errors import ConfigurationError

PREFIX: Final = "DIGITS_"
_HERE: Final = Path(__file__).resolve().parent
# In an installed wheel the models are inside the package, in the repository beside it (pyproject.toml, force-include).
SHIPPED_MODEL: Final = (_HERE if (_HERE / "models").is_dir() else _HERE.parent) / "models" / "digits"


class Settings(BaseSettings):
    """Every setting of the service with its default; docs/operate.md has the same table."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True)

    model: Path = Field(
        default=SHIPPED_MODEL,
        description="folder of a model version, or of a model: then its highest version is served",
    )
    provider: Literal["auto", "cpu", "cuda", "tensorrt"] = Field(
        default="auto", description="ONNX Runtime provider; if a named one is not available, the start stops"
    )
    threads: int = Field(default=1, ge=1, le=256, description="CPU threads of one ONNX Runtime session")
    workers: int = Field(default=1, ge=1, le=256, description="server processes")
    max_batch: int = Field(default=64, ge=1, le=4096, description="most images in one run of the network")
    max_wait_ms: float = Field(
        default=0, ge=0, le=1000, description="how long a request waits so that others can join its batch"
    )
    max_queue: int = Field(default=4096, ge=1, description="images that may wait; a request beyond that gets 503")
    timeout_s: float = Field(
        default=10, gt=0, le=3600, description="time from the complete body to the answer; then the request gets 504"
    )
    body_s: float = Field(
        default=300, gt=0, le=86400, description="time for the complete body; then the request gets 408"
    )
    body_pause_s: float = Field(
        default=10, gt=0, le=3600, description="longest pause within a body; then the request gets 408"
    )
    body_kib_s: float = Field(
        default=8, ge=0, le=65536, description="lowest rate of a body over each ten seconds, in KiB/s; below it: 408"
    )
    max_body_mib: float = Field(default=16, gt=0, le=1024, description="largest request body, in MiB")
    max_held_mib: float = Field(
        default=256,
        gt=0,
        le=65536,
        description="request bodies that a worker holds at the same time, in MiB; further ones get 503",
    )
    max_pixels: int = Field(default=50_000_000, ge=784, description="largest image, width × height")
    api_key: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        default=(), description="API keys, separated by commas; unset: no key is needed"
    )
    metrics_open: bool = Field(default=False, description="/metrics needs no key, even if keys are set")
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="web origins whose pages may call the service, separated by commas, or *; none by default",
    )
    lame_duck_s: float = Field(
        default=3,
        ge=0,
        le=600,
        description="how long requests are still accepted after SIGTERM, while /readyz says 503",
    )
    keep_alive_s: int = Field(
        default=75,
        ge=1,
        le=3600,
        description="how long an idle connection stays open; higher than the idle timeout of a proxy in front",
    )
    repository_api: bool = Field(
        default=False, description="routes that list versions and change the served one; needs an API key"
    )
    grpc_port: int | None = Field(default=None, ge=1, le=65535, description="port of gRPC; none: no gRPC")
    uds: Path | None = Field(default=None, description="Unix socket to listen on, instead of a port")
    ssl_certfile: Path | None = Field(default=None, description="certificate, with its chain, in PEM; none: plain HTTP")
    ssl_keyfile: Path | None = Field(default=None, description="its key in PEM; none: it is in the same file")
    root_path: str | None = Field(
        default=None,
        pattern=r"^(/[A-Za-z0-9._~-]+)*/?$",
        description="path under which a proxy publishes the service, such as /digits; the proxy may remove it or not",
    )
    feedback: Path | None = Field(
        default=None, description="folder for corrections; none: corrections are not accepted"
    )
    feedback_key: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        default=(),
        description="keys for reading, accepting and deleting corrections; none: there are no such routes",
    )
    feedback_max_mib: float = Field(
        default=256,
        ge=1,
        le=1_048_576,
        description="disk space of all corrections, in MiB; the oldest are deleted first",
    )
    feedback_per_minute: float = Field(
        default=30, gt=0, le=1_000_000, description="corrections per client and minute; further ones get 429"
    )
    log_format: Literal["json", "text"] = Field(default="json", description="log lines as JSON objects, or as text")
    access_log: bool = Field(default=False, description="one log line for each request")
    tracing: bool = Field(default=False, description="OpenTelemetry spans, configured as BentoML documents it")

    @field_validator("api_key", "feedback_key", "cors_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(one.strip() for one in value.split(",") if one.strip()) if isinstance(value, str) else value

    @field_validator("root_path")
    @classmethod
    def _without_slash(cls, value: str | None) -> str | None:
        return value and value.rstrip("/")

    @field_validator("repository_api")
    @classmethod
    def _is_guarded(cls, value: bool, info: ValidationInfo) -> bool:
        if value and not info.data.get("api_key"):
            raise ValueError("needs DIGITS_API_KEY: without a key, anybody could change the model")
        return value

    @property
    def request_s(self) -> float:
        """The longest time that a request may take: its body, then its answer."""
        return self.body_s + self.timeout_s

    @property
    def max_body_bytes(self) -> int:
        """The body limit in bytes."""
        return int(self.max_body_mib * 2**20)

    @property
    def feedback_max_bytes(self) -> int:
        """The limit on all corrections on disk, in bytes."""
        return int(self.feedback_max_mib * 2**20)

    @property
    def max_held_bytes(self) -> int:
        """The limit on all bodies that one worker holds, in bytes."""
        return int(self.max_held_mib * 2**20)


def load_settings() -> Settings:
    """Read the environment.

    Raises:
        ConfigurationError: a value is malformed or out of range, or DIGITS_API_KEY has no key; the message names the
            variable.
    """
    try:
        settings = Settings()
    except ValidationError as error:
        problems = "; ".join(
            f"{PREFIX}{str(e['loc'][0]).upper()}={e['input']!r}: {e['msg'].lower()}" for e in error.errors()
        )
        raise ConfigurationError(f"bad setting: {problems}") from error
    if not settings.api_key and PREFIX + "API_KEY" in os.environ:
        raise ConfigurationError(
            f"{PREFIX}API_KEY is set, but there is no key in it, expected keys separated by commas; "
            "unset it to leave the service open to everybody"
        )
    return settings


def unknown_variables(environment: dict[str, str] | None = None) -> list[str]:
    """List variables with our prefix that are no setting, usually a typing error.

    Kubernetes sets `DIGITS_PORT` and `DIGITS_SERVICE_…` if a Service is called "digits"; those are ignored.
    """
    known = {PREFIX + name.upper() for name in Settings.model_fields} | {PREFIX + "DATA"}
    injected = (PREFIX + "SERVICE_", PREFIX + "PORT")
    names = os.environ if environment is None else environment
    return sorted(n for n in names if n.startswith(PREFIX) and n not in known and not n.startswith(injected))
