"""Object ids as one segment of a URL's path, and back.

An id of plain characters stands for itself, so that common ids stay legible; any other is `~` and the unpadded
base64url of its UTF-8. Each id has exactly one token.
"""

from __future__ import annotations

import base64
import binascii
import re

from tams_data.errors import InvalidInput, ObjectNotFound

# Not `.` and `..`, which clients resolve away before they ask.
_PLAIN = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,200}\Z")


def utf8(object_id: str) -> bytes:
    """The bytes of an object id.

    :raise InvalidInput: it is empty, or has a lone surrogate.
    """
    if not object_id:
        raise InvalidInput("an object id is not empty", field="object_id", value=object_id)
    try:
        return object_id.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(f"object id {object_id!r} is not Unicode text", field="object_id", value=None) from error


def token(object_id: str) -> str:
    """The token of an object id.

    >>> token("feed-1.0001.ts"), token("feed 1/0001")
    ('feed-1.0001.ts', '~ZmVlZCAxLzAwMDE')

    :raise InvalidInput: it is empty, or has a lone surrogate.
    """
    if _PLAIN.match(object_id):
        return object_id
    return "~" + base64.urlsafe_b64encode(utf8(object_id)).rstrip(b"=").decode()


def object_id_of(given: str) -> str:
    """The object id of a token.

    >>> object_id_of("~ZmVlZCAxLzAwMDE")
    'feed 1/0001'

    :raise ObjectNotFound: `token` makes no such token.
    """
    object_id = _decoded(given[1:]) if given.startswith("~") else given
    # Encoding again finds what decoders overlook: stray characters, spare bits, padding, ids with two tokens.
    if not object_id or token(object_id) != given:
        raise ObjectNotFound(f"no object has the token {given!r}")
    return object_id


def _decoded(text: str) -> str | None:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (binascii.Error, ValueError):  # ValueError: not ASCII before decoding, or not UTF-8 after it
        return None
