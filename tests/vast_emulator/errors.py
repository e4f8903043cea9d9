"""What the emulator answers instead of doing what it was asked: an HTTP status with a code, as S3 gives them."""

from __future__ import annotations


class Refused(Exception):
    """A request is not served. The SDK picks its own error by the status, and some by the code."""

    status = 500
    code = "InternalError"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code or type(self).code


class BadRequest(Refused):
    """The request contradicts itself, or the table that it names."""

    status = 400
    code = "InvalidArgument"


class Forbidden(Refused):
    """The signature is missing, or not one that the secret key gives."""

    status = 403
    code = "AccessDenied"


class NotFound(Refused):
    """What the request names is not there, as its transaction sees it."""

    status = 404
    code = "NoSuchKey"


class Conflict(Refused):
    """Another transaction wrote the same rows or names, or what is to be dropped is in use."""

    status = 409
    code = "Conflict"


class InternalError(Refused):
    """What older clusters answer where newer ones find an argument at fault."""


class NotImplementedHere(Refused):
    """The cluster that is emulated, or the emulator, does not know this."""

    status = 501
    code = "NotImplemented"


class SlowDown(Refused):
    """The cluster asks for patience. The SDK waits, and asks again."""

    status = 503
    code = "SlowDown"
