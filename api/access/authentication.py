"""From the credentials of a request to who sends it."""

from __future__ import annotations

import threading
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Callable, Sequence
from time import time_ns

from api.access.accounts import Accounts
from api.access.bearer import Verifier
from api.access.hashing import Digests
from api.access.lending import Lending
from api.access.modes import accounts_of, modes_of, verifier_of
from tams_data.access import ANYONE, Caller
from tams_data.errors import Unauthenticated
from tams_data.settings import Settings

_REALM = 'realm="TAMS"'
_MINUTE_NS = 60 * 10**9
_DAY_NS = 86_400 * 10**9
_MOST_REMEMBERED = 4096


class Authentication:
    """Tells who sends a request. Safe to use from several threads; shows no secret."""

    def __init__(
        self, modes: frozenset[str], accounts: Accounts | None, verifier: Verifier | None, lending: Lending
    ) -> None:
        """`modes` are keys of `modes.SCHEMES`; without any, access is open."""
        self.modes, self.lending = modes, lending
        self._accounts, self._verifier = accounts, verifier
        self._digests, self._verified = Digests(), _Verified()

    @classmethod
    def of(cls, settings: Settings, secret: bytes) -> Authentication:
        """What the settings say; `secret` signs the tokens that callers lend.

        :raise InvalidSetting: they cannot be used.
        """
        return cls(modes_of(settings), accounts_of(settings), verifier_of(settings), Lending(secret))

    def __repr__(self) -> str:
        return f"Authentication({', '.join(sorted(self.modes)) or 'open'})"

    @property
    def challenges(self) -> list[str]:
        """What `WWW-Authenticate` says: the ways that HTTP has a name for (RFC 6750, 7617)."""
        said = {"bearer": f"Bearer {_REALM}", "basic": f'Basic {_REALM}, charset="UTF-8"'}
        return [said[mode] for mode in ("bearer", "basic") if mode in self.modes] or [f"Bearer {_REALM}"]

    def caller(self, authorization: str | None, url_tokens: Sequence[str]) -> Caller:
        """Who sends a request with this `Authorization` header and these tokens in its URL.

        :raise Unauthenticated: it is not known who, or the credentials are not good.
        :raise StoreUnavailable: a token cannot be verified now.
        :raise TooManyRequests: a password cannot be checked now, for all those that are.
        """
        if not self.modes:
            return ANYONE
        if authorization is not None:
            scheme, _, credentials = authorization.partition(" ")
            if scheme.lower() == "bearer" and "bearer" in self.modes:
                return self._by_token(credentials.strip())
            if scheme.lower() == "basic" and "basic" in self.modes:
                return self._by_password(credentials.strip())
            raise Unauthenticated("the request says who sends it in a way that is not admitted here")
        if len(url_tokens) > 1:
            raise Unauthenticated("the URL has more than one access_token")
        if url_tokens and "url" in self.modes:
            return self._by_token(url_tokens[0])
        raise Unauthenticated("the request does not say who sends it")

    def _by_token(self, token: str) -> Caller:
        found = None if self._accounts is None else self._accounts.token(token)
        if found is not None:
            return found
        if self.lending.is_lent(token):
            return self.lending.caller(token)
        verifier = self._verifier
        if verifier is None or token.count(".") != 2:
            raise Unauthenticated("the token is not admitted")

        def verified() -> tuple[Caller, int]:
            caller, expires_s = verifier.caller(token)
            return caller, min(expires_s * 10**9, time_ns() + _MINUTE_NS)

        return self._verified.find(self._digests.of("jwt", token), verified)

    def _by_password(self, credentials: str) -> Caller:
        name, password = _name_and_password(credentials)
        accounts = self._accounts
        if accounts is None:
            raise Unauthenticated("the name or the password is not right")

        def verified() -> tuple[Caller, int]:
            caller = accounts.user(name, password)
            if caller is None:
                raise Unauthenticated("the name or the password is not right")
            return caller, time_ns() + _DAY_NS

        # With what is kept of the user: another password, or other scopes, is another digest.
        return self._verified.find(self._digests.of("basic", name, password, accounts.version_of(name)), verified)


def _name_and_password(credentials: str) -> tuple[str, str]:
    """RFC 7617."""
    try:
        name, colon, password = b64decode(credentials, validate=True).decode().partition(":")
    except (NotBase64, ValueError):
        raise Unauthenticated("the name and the password cannot be read") from None
    if not colon:
        raise Unauthenticated("the name and the password cannot be read")
    return name, password


class _Verified:
    """What was slow to verify: who it was, by a digest of the credentials."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[bytes, tuple[Caller, int]] = {}

    def find(self, digest: bytes, verify: Callable[[], tuple[Caller, int]]) -> Caller:
        """Who it is: as it was verified, or by `verify`, which says until when that holds."""
        known, now_ns = self._found.get(digest), time_ns()
        if known is not None and known[1] > now_ns:
            return known[0]
        caller, until_ns = verify()
        with self._lock:
            if len(self._found) >= _MOST_REMEMBERED:
                self._found.clear()
            self._found[digest] = caller, until_ns
        return caller
