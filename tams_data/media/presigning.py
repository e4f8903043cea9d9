"""Presigned URLs of an S3 bucket: AWS Signature Version 4 in the query string.

They are those of botocore's `generate_presigned_url`, in a twentieth of its time: a page of segments has a hundred,
and all that differs between two URLs of one time of signing is the key.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import quote, urlsplit

NS_PER_S = 10**9

LONGEST_S = 7 * 24 * 3600
"""The longest that such a URL can hold, in seconds."""

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Credentials:
    """Keys to an S3 service; temporary ones come with a token."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


class _Signing(NamedTuple):
    """What all URLs with the same time of signing have in common."""

    now_s: int
    credentials: Credentials
    timestamp: str  # 20261231T235959Z
    scope: str  # 20261231/region/s3/aws4_request
    key: bytes


class Presigner:
    """Signs URLs under one address. Safe to use from several threads."""

    def __init__(
        self,
        address: str,
        *,
        region: str,
        expires_s: int,
        step_s: int,
        credentials: Callable[[], Credentials],
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """`address` is the URL of the bucket with a slash at the end, and `credentials` gives those to sign with now.

        URLs hold for `expires_s` seconds at least, and are signed anew every `step_s`; `clock_ns` counts from the Unix
        epoch, UTC.
        """
        parts = urlsplit(address)
        self._address, self._path, self._host = address, parts.path, _host(address)
        self._region, self._credentials, self._clock_ns = region, credentials, clock_ns
        # A step more, as the time of signing is cut to steps: TAMS 8.2 has a URL hold for at least what is announced.
        self._expires_s, self._step_s = expires_s + step_s, step_s
        self._signing: _Signing | None = None

    def plain(self, key: str) -> str:
        """The URL of a key, without a signature."""
        return self._address + _quoted(key)

    def get_url(self, key: str) -> str:
        """A URL to GET a key."""
        return self._signed("GET", key, headers=f"host:{self._host}\n", names="host")

    def put_url(self, key: str, *, content_type: str) -> str:
        """A URL to PUT a key, for who sends this very content type."""
        # White space is cut as the other side cuts it before it compares.
        headers = f"content-type:{' '.join(content_type.split())}\nhost:{self._host}\n"
        return self._signed("PUT", key, headers=headers, names="content-type;host")

    def _signed(self, method: str, key: str, *, headers: str, names: str) -> str:
        signing, path = self._now(), _quoted(key)
        query = self._query(signing, names)
        request = f"{method}\n{self._path}{path}\n{query}\n{headers}\n{names}\nUNSIGNED-PAYLOAD"
        digest = sha256(request.encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{signing.timestamp}\n{signing.scope}\n{digest}"
        signature = hmac.digest(signing.key, text.encode(), "sha256").hex()
        return f"{self._address}{path}?{query}&X-Amz-Signature={signature}"

    def _query(self, signing: _Signing, names: str) -> str:
        # In the order of the names, as they are signed.
        credentials = signing.credentials
        token = "" if credentials.token is None else f"&X-Amz-Security-Token={quote(credentials.token, safe='')}"
        return (
            f"X-Amz-Algorithm=AWS4-HMAC-SHA256"
            f"&X-Amz-Credential={quote(f'{credentials.access_key}/{signing.scope}', safe='')}"
            f"&X-Amz-Date={signing.timestamp}"
            f"&X-Amz-Expires={self._expires_s}"
            f"{token}&X-Amz-SignedHeaders={quote(names, safe='')}"
        )

    def _now(self) -> _Signing:
        now_s, credentials = self._clock_ns() // NS_PER_S, self._credentials()
        now_s -= now_s % self._step_s
        signing = self._signing
        if signing is None or signing.now_s != now_s or signing.credentials != credentials:
            signing = self._signing = self._begin(now_s, credentials)
        return signing

    def _begin(self, now_s: int, credentials: Credentials) -> _Signing:
        timestamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now_s))
        key = f"AWS4{credentials.secret_key}".encode()
        scope = (timestamp[:8], self._region, "s3", "aws4_request")
        for part in scope:
            key = hmac.digest(key, part.encode(), "sha256")
        return _Signing(now_s, credentials, timestamp, "/".join(scope), key)


def _quoted(key: str) -> str:
    return quote(key, safe="/~")


def _host(address: str) -> str:
    """The `Host` that a client sends: in lower case, and without the port that the scheme implies."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return host if parts.port in (None, _PORTS.get(parts.scheme)) else f"{host}:{parts.port}"
