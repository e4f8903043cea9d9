"""What is kept of tokens and passwords, and how it is compared: never in a time that tells how much was right."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading

from werkzeug.security import check_password_hash, generate_password_hash

from tams_data.errors import TooManyRequests

_AT_ONCE = threading.BoundedSemaphore(2)
"""A password takes 32 MB and some 50 ms to check, and who guesses can send many: no more than two at once."""

_IN_LINE = threading.BoundedSemaphore(32)
"""Who waits for that keeps a thread of the server, and who guesses is not to have them all."""


def new_token() -> str:
    """A token of 256 random bits, which whoever looks for lost secrets can tell by its beginning."""
    return f"tams_{secrets.token_urlsafe(32)}"


def hash_of_token(token: str) -> str:
    """What is kept of a token. It has so many random bits that one round of a hash gives none of them away.

    >>> hash_of_token("a")[:15]
    'sha256:ca978112'
    """
    return f"sha256:{hashlib.sha256(token.encode()).hexdigest()}"


def is_same(one: str, other: str) -> bool:
    """Whether two hashes are the same."""
    return hmac.compare_digest(one.encode(), other.encode())


def hash_of_password(password: str) -> str:
    """What is kept of a password: by scrypt, with a salt, slow enough that guessing does not pay."""
    return generate_password_hash(password, method="scrypt")


def is_password(password: str, kept: str) -> bool:
    """Whether a password is the one that a hash was kept of. Takes some 50 ms.

    :raise TooManyRequests: so many passwords wait to be checked that there is no room for another.
    """
    if not _IN_LINE.acquire(blocking=False):
        raise TooManyRequests("too many passwords are to be checked at once")
    try:
        with _AT_ONCE:
            return check_password_hash(kept, password)
    finally:
        _IN_LINE.release()


class Digests:
    """Short stand-ins for credentials, to remember them by: nobody can tell the credentials from them."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def of(self, *parts: str) -> bytes:
        """The digest of some texts, in this process."""
        digest = hashlib.blake2b(key=self._key, digest_size=32)
        for part in parts:
            encoded = part.encode("utf-8", "surrogateescape")
            digest.update(len(encoded).to_bytes(8, "big") + encoded)
        return digest.digest()
