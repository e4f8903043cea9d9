"""Tokens that a caller lends to what is not to have the caller's own, a page or a player: to read, for an hour."""

from __future__ import annotations

from itsdangerous import BadData, URLSafeTimedSerializer

from tams_data.access import Caller, Scope
from tams_data.errors import Unauthenticated

LENT_FOR_S = 3600

_PREFIX = "lent-"


class Lending:
    """Makes such tokens, and tells whose they are. They are signed, and kept nowhere."""

    def __init__(self, secret: bytes) -> None:
        self._signed = URLSafeTimedSerializer(secret, salt="lent")

    def token(self, caller: Caller) -> str:
        """A token with which anyone reads what the caller sees."""
        groups = None if caller.groups is None or not caller.is_restricted else sorted(caller.groups)
        text: str = self._signed.dumps([caller.name, groups])
        return _PREFIX + text

    def is_lent(self, token: str) -> bool:
        """Whether a token says that it is one of these."""
        return token.startswith(_PREFIX)

    def caller(self, token: str) -> Caller:
        """Who lent the token, as far as it goes.

        :raise Unauthenticated: this service did not make it, or more than an hour ago.
        """
        try:
            name, groups = self._signed.loads(token.removeprefix(_PREFIX), max_age=LENT_FOR_S)
        except BadData:
            raise Unauthenticated("the token is not admitted, or not any more") from None
        return Caller(name, frozenset({Scope.READ}), None if groups is None else frozenset(groups), is_lent=True)
