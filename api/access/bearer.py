"""JWTs as bearer tokens: verified by the keys of their issuer, which are fetched, kept, and fetched again."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic_ns
from typing import Any

import httpx
import jwt

from tams_data.access import Caller, Scope, group_names
from tams_data.errors import InvalidSetting, StoreUnavailable, Unauthenticated

log = logging.getLogger(__name__)

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Only those with two keys: a public one must never do as a shared secret."""

_PUBLIC_KEYS = ("RSA", "EC", "OKP")

_FRESH_NS = 600 * 10**9
"""How long keys are kept before they are asked for again: an issuer that withdraws one is heard within that."""

_PAUSE_NS = 10 * 10**9
"""How long no keys are asked for after they were: anyone can make up tokens with unknown key ids."""

_FETCHED_WITHIN_S = 5
_LARGEST = 2**20

_WAITED_S = 2.0
"""How long a request waits for keys that another one has asked for: each that waits keeps a thread of the server."""

_LEEWAY_S = 30
"""By how much the clocks of issuer and service may differ."""

_MOST_GROUPS = 100

Fetch = Callable[[], bytes]


def source_of(place: str) -> Fetch:
    """What reads a JWKS from a URL, or from a file.

    :raise InvalidSetting: the URL is one that anybody on the way could answer for.
    """
    if "://" not in place:
        return Path(place).read_bytes
    url = httpx.URL(place)
    if url.scheme != "https" and url.host not in ("localhost", "127.0.0.1", "::1"):
        raise InvalidSetting(f"TAMS_JWT_KEYS={place!r}: keys come from a file, by https, or from this machine")
    return lambda: _fetched(url)


def _fetched(url: httpx.URL) -> bytes:
    """What is at a URL, which may not take long nor be large: others wait for it."""
    deadline_ns, body = monotonic_ns() + _FETCHED_WITHIN_S * 10**9, b""
    with httpx.stream("GET", url, timeout=_FETCHED_WITHIN_S, follow_redirects=False) as response:
        for piece in response.raise_for_status().iter_bytes():
            body += piece
            if len(body) > _LARGEST:
                raise ValueError(f"they are more than {_LARGEST} bytes")
            if monotonic_ns() > deadline_ns:
                raise ValueError(f"they have not come within {_FETCHED_WITHIN_S} s")
    return body


class Keys:
    """The keys of an issuer by their ids."""

    def __init__(self, fetch: Fetch, *, clock: Callable[[], int] = monotonic_ns) -> None:
        """`clock` gives nanoseconds that never go back."""
        self._fetch, self._clock = fetch, clock
        self._lock = threading.Lock()
        self._keys: Mapping[str | None, jwt.PyJWK] = {}
        self._asked_ns: int | None = None
        self._fetched_ns: int | None = None

    def find(self, key_id: str | None) -> jwt.PyJWK:
        """The key with this id; without one, the only key there is.

        :raise Unauthenticated: there is none.
        :raise StoreUnavailable: no key is known, and none can be had.
        """
        known = self._find(key_id) is not None
        if self._is_stale() or not known:
            self._refresh(wait_s=0 if known else _WAITED_S)
        found = self._find(key_id)
        if found is not None:
            return found
        if self._fetched_ns is None:
            raise StoreUnavailable("the keys that tokens are verified by cannot be had")
        raise Unauthenticated("the token is signed with a key that its issuer does not have")

    def _find(self, key_id: str | None) -> jwt.PyJWK | None:
        if key_id is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(key_id)

    def _is_stale(self) -> bool:
        return self._fetched_ns is None or self._clock() - self._fetched_ns > _FRESH_NS

    def _refresh(self, *, wait_s: float) -> None:
        """Ask for the keys, unless that was just done. Those known stay when none are given, or not in time."""
        if not self._lock.acquire(timeout=wait_s):
            return
        try:
            if self._asked_ns is not None and self._clock() - self._asked_ns < _PAUSE_NS:
                return
            self._asked_ns = self._clock()
            try:
                self._keys = _parsed(self._fetch())
            except (OSError, httpx.HTTPError, ValueError) as error:
                log.error("the keys that tokens are verified by cannot be had: %s", error)
            else:
                self._fetched_ns = self._clock()
        finally:
            self._lock.release()


def _parsed(text: bytes) -> dict[str | None, jwt.PyJWK]:
    """The public keys of a JWKS; of others, which are for something else, none."""
    given = json.loads(text)
    if not isinstance(given, dict) or not isinstance(given.get("keys"), list):
        raise ValueError("it is no JWKS")
    wanted = [one for one in given["keys"] if isinstance(one, dict) and one.get("kty") in _PUBLIC_KEYS]
    keys: dict[str | None, jwt.PyJWK] = {}
    for one in wanted:
        if one.get("use", "sig") == "sig":
            try:
                keys[one.get("kid")] = jwt.PyJWK(one)
            except jwt.PyJWTError as error:
                log.warning("a key that tokens are verified by is passed over: %s", type(error).__name__)
    return keys


class Verifier:
    """Tells who has a JWT."""

    def __init__(self, keys: Keys, *, issuer: str, audience: str, name: str, groups: str | None) -> None:
        """`name` and `groups` are the claims that have them; without `groups`, callers are not restricted."""
        self._keys, self._issuer, self._audience = keys, issuer, audience
        self._name, self._groups = name, groups

    def caller(self, token: str) -> tuple[Caller, int]:
        """Who has the token, and when it expires, in seconds since 1970 UTC.

        :raise Unauthenticated: it is none of the issuer's, not for this service, or not valid now.
        :raise StoreUnavailable: no key is known to verify it by, and none can be had.
        """
        claims = self._claims(token)
        name = claims.get(self._name)
        if not isinstance(name, str) or not name:
            raise Unauthenticated(f"the token does not say whose it is: it has no claim {self._name}")
        return Caller(name, _scopes(claims), self._groups_of(claims)), int(claims["exp"])

    def _claims(self, token: str) -> Mapping[str, Any]:
        try:
            key = self._keys.find(jwt.get_unverified_header(token).get("kid"))
            claims: Mapping[str, Any] = jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                audience=self._audience,
                issuer=self._issuer,
                leeway=_LEEWAY_S,
                options={"require": ["exp", "iss", "aud"], "enforce_minimum_key_length": True},
            )
        except jwt.PyJWTError as error:
            raise Unauthenticated(f"the token is not admitted: {_said(error)}") from None
        return claims

    def _groups_of(self, claims: Mapping[str, Any]) -> frozenset[str] | None:
        """Where groups are looked for, who has none sees nothing."""
        if self._groups is None:
            return None
        given = claims.get(self._groups)
        groups = group_names(given if isinstance(given, list) else [given])
        if len(groups) > _MOST_GROUPS:
            raise Unauthenticated(f"the token has {len(groups)} groups; at most {_MOST_GROUPS} are taken")
        return groups


def _said(error: jwt.PyJWTError) -> str:
    """What is wrong, in words that have nothing of the token in them."""
    words = {
        jwt.ExpiredSignatureError: "it has expired",
        jwt.ImmatureSignatureError: "it is not valid yet",
        jwt.InvalidAudienceError: "it is not for this service",
        jwt.InvalidIssuerError: "it is from another issuer",
        jwt.InvalidSignatureError: "its signature is not right",
        jwt.MissingRequiredClaimError: "a claim is missing",
    }
    return next((said for kind, said in words.items() if isinstance(error, kind)), "it cannot be verified")


def _scopes(claims: Mapping[str, Any]) -> frozenset[Scope]:
    """RFC 8693, 4.2: `scope` is a list with spaces between. Some issuers have it in `scp`, as an array."""
    given = claims.get("scope", claims.get("scp", ""))
    words = given.split() if isinstance(given, str) else given if isinstance(given, list) else []
    known = {scope.value: scope for scope in Scope}
    return frozenset(known[word] for word in words if isinstance(word, str) and word in known)
