"""Presigned URLs: who holds one may do one thing with one object until it expires.

The signature is HMAC-SHA256 over method, expiry and object id. The content type of an upload is not in it: the
object's allocation decides that, whoever uploads.
"""

from __future__ import annotations

import hmac
import os
import re
from pathlib import Path

from tams_data.errors import InvalidSetting, UrlRefused
from tams_data.media.files import create_once
from tams_data.media.tokens import utf8

SECRET_BYTES = 32

_EXPIRY = re.compile(r"[0-9]{1,12}", re.ASCII)
_SIGNED_AS = {"GET": "GET", "HEAD": "GET", "PUT": "PUT"}  # who may read the bytes may ask how many there are


def load_secret(path: Path) -> bytes:
    """The secret in a file, which is made when missing: 32 random bytes that only its owner can read.

    :raise InvalidSetting: the file cannot be read or made, or holds fewer bytes.
    """
    try:
        secret = create_once(path, lambda: os.urandom(SECRET_BYTES))
    except OSError as error:
        raise InvalidSetting(f"signing key {path}: {error.strerror}") from error
    if len(secret) < SECRET_BYTES:
        raise InvalidSetting(f"signing key {path}: {len(secret)} bytes, fewer than {SECRET_BYTES}")
    return secret


class Signer:
    """Signs and checks. Times are whole seconds since the Unix epoch, UTC."""

    def __init__(self, secret: bytes) -> None:
        # A key of its own: what the service signs elsewhere with the same secret never is a signature of a URL.
        key = hmac.digest(secret, b"presigned media url", "sha256")
        self._hmac = hmac.new(key, digestmod="sha256")

    def query(self, method: str, object_id: str, *, expires_s: int) -> str:
        """The query string that makes an object's URL presigned for a method: GET (HEAD as well) or PUT.

        :raise InvalidInput: the object id is empty, or has a lone surrogate.
        """
        return f"expires={expires_s}&signature={self._sign(method, str(expires_s), object_id)}"

    def check(self, method: str, object_id: str, *, expires: str, signature: str, now_s: int) -> None:
        """Accept the two parameters of a presigned URL, or raise. The URL holds up to the second it names.

        :raise UrlRefused: they are expired, forged, or for another method or object.
        """
        genuine = (
            method in _SIGNED_AS
            and _EXPIRY.fullmatch(expires) is not None
            # As bytes: compare_digest refuses text that is not ASCII.
            and hmac.compare_digest(self._sign(method, expires, object_id).encode(), signature.encode())
        )
        if not genuine:
            raise UrlRefused(f"the signature does not allow {method} of object {object_id!r} until {expires!r}")
        if int(expires) < now_s:
            raise UrlRefused(f"the URL of object {object_id!r} expired at {expires}, {now_s - int(expires)} s ago")

    def _sign(self, method: str, expires: str, object_id: str) -> str:
        # The id comes last: neither of the others has a line end in it, so no two requests sign the same text.
        # copy() keeps the key's two hash states: a third less time than a new HMAC, for each of a page's URLs.
        signature = self._hmac.copy()
        signature.update(f"{_SIGNED_AS[method]}\n{expires}\n".encode() + utf8(object_id))
        return signature.hexdigest()
