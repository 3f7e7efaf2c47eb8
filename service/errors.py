"""Every error of the service, with its HTTP status."""

from __future__ import annotations


class ServiceError(Exception):
    """Base of every error that this package raises; the message says what, actual, expected and remedy."""

    status = 500
    code = "internal"
    delay_s = 0.0  # until the client is told; the request holds nothing but its connection meanwhile


class ConfigurationError(ServiceError):
    """The service cannot start: a setting, the model folder or the runtime is wrong."""


class ArtifactError(ConfigurationError):
    """The model folder is incomplete, damaged or does not match its manifest."""


class ProviderError(ConfigurationError):
    """The named execution provider is not available."""


class RequestError(ServiceError):
    """A request that cannot be answered; base of all client errors."""

    status = 400
    code = "bad_request"


class Unauthorised(RequestError):
    """No API key, or not one of the configured ones."""

    status = 401
    code = "unauthorised"


class NotFound(RequestError):
    """No such route, model or version."""

    status = 404
    code = "not_found"


class MethodNotAllowed(RequestError):
    """The path exists, but not for this method; `allowed` names the methods that it has."""

    status = 405
    code = "method_not_allowed"

    def __init__(self, message: str, allowed: str) -> None:
        super().__init__(message)
        self.allowed = allowed


class RequestTimeout(RequestError):
    """The body did not arrive within the time limit."""

    status = 408
    code = "request_timeout"


class HeadTooLarge(RequestError):
    """Request line and headers, or the trailers, are larger than the limit."""

    status = 431
    code = "request_header_fields_too_large"


class PayloadTooLarge(RequestError):
    """The body is larger than the limit; it was not read to its end."""

    status = 413
    code = "payload_too_large"


class PictureTooLarge(PayloadTooLarge):
    """The picture has more pixels than the limit; it was not decoded."""

    code = "picture_too_large"


class UnsupportedType(RequestError):
    """The body is of a media type that holds no picture."""

    status = 415
    code = "unsupported_media_type"


class UnsupportedEncoding(RequestError):
    """The body has a Content-Encoding that is not supported."""

    status = 415
    code = "unsupported_content_encoding"


class UndecodablePicture(RequestError):
    """The bytes are not a picture in a supported format, or the file is damaged."""

    status = 422
    code = "undecodable_picture"


class TooManyRequests(RequestError):
    """One client has asked too often; it may come again after `retry_after_s` seconds."""

    status = 429
    code = "too_many_requests"

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class NotKept(ServiceError):
    """A correction could not be written, for example on a full disk; no part of it is stored."""

    status = 507
    code = "not_kept"


class Overloaded(ServiceError):
    """The queue is full; the caller may try again after `retry_after_s` seconds."""

    status = 503
    code = "overloaded"
    retry_after_s = 1
    delay_s = 0.5  # a client that asks again at once would take the time from those that are being answered


class DeadlineExceeded(ServiceError):
    """The answer was not ready within the time limit; the work was dropped."""

    status = 504
    code = "deadline_exceeded"
