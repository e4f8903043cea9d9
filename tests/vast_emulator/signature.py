"""Signatures of requests: AWS signature version 4, in the `Authorization` header."""

from __future__ import annotations

import hashlib
import hmac
import re
import urllib.parse
from collections.abc import Mapping

from tests.vast_emulator.errors import Forbidden

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<scope>[^,]+), *"
    r"SignedHeaders=(?P<headers>[^,]+), *Signature=(?P<signature>[0-9a-f]{64})"
)


def check(method: str, target: str, headers: Mapping[str, str], body: bytes, *, keys: Mapping[str, str]) -> None:
    """Accept a request that is signed with one of `keys`, access key to secret key.

    :raise Forbidden: when it is not signed, the access key is unknown, or the body or the signature is another
    """
    given = _AUTHORIZATION.fullmatch(headers.get("Authorization") or "")
    if given is None:
        raise Forbidden("the request is not signed")
    if given["key"] not in keys:
        raise Forbidden(f"there is no access key {given['key']}", code="InvalidAccessKeyId")
    payload = hashlib.sha256(body).hexdigest()
    path, _, query = target.partition("?")
    names = given["headers"].split(";")
    canonical = "\n".join(
        (
            method,
            urllib.parse.quote(path, safe="/-_.~"),  # signed once more quoted than it is sent
            "&".join(sorted(_with_value(pair) for pair in query.split("&") if pair)),
            *(f"{name}:{' '.join((headers.get(name) or '').split())}" for name in names),
            "",
            given["headers"],
            payload,
        )
    )
    expected = _signature(canonical, headers.get("x-amz-date") or "", given["scope"], keys[given["key"]])
    if headers.get("x-amz-content-sha256", payload) != payload or not hmac.compare_digest(expected, given["signature"]):
        raise Forbidden("the signature does not match", code="SignatureDoesNotMatch")


def _with_value(pair: str) -> str:
    return pair if "=" in pair else f"{pair}="


def _signature(canonical: str, date: str, scope: str, secret: str) -> str:
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = _hmac(key, part)
    signed = "\n".join(("AWS4-HMAC-SHA256", date, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    return _hmac(key, signed).hex()


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
