"""Who may ask a running service for its whole store: who can read the signing key in its data folder.

That is the operator, who could read the database's file as well. No other principal has a right to the secrets in it.
"""

from __future__ import annotations

from itsdangerous import BadSignature, TimestampSigner

from tams_data.errors import Forbidden

HEADER = "X-Tams-Operator"
"""The header of a request that carries a token."""

VALID_S = 60
"""How long a token holds, in seconds."""

_WHO = b"operator"


def token(secret: bytes) -> str:
    """A token for one request; `secret` is that of the service, see `media.secret`."""
    return _signer(secret).sign(_WHO).decode()


def check(secret: bytes, given: str | None) -> None:
    """Accept a token that was made with this secret, less than a minute ago.

    :raise Forbidden: it was not, or there is none.
    """
    try:
        _signer(secret).unsign((given or "").encode(), max_age=VALID_S)
    except BadSignature as error:  # one that expired among them
        raise Forbidden("this is for `tams backup` and `tams verify`, run with the service's data folder") from error


def _signer(secret: bytes) -> TimestampSigner:
    return TimestampSigner(secret, salt="tams operator")
