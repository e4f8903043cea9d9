"""Which scopes each operation takes, as application note 0016 of the BBC tables them.

Reading takes the scope read, POST and PUT take write, and DELETE takes delete, but for what is said here. Where there
are several, one of them will do; admin will do everywhere.
"""

from __future__ import annotations

import re
from functools import lru_cache

from tams_data.access import Scope

READ, WRITE, DELETE, ADMIN = (frozenset({scope}) for scope in Scope)
ANY = READ | WRITE | DELETE

_BY_METHOD = {"GET": READ, "HEAD": READ, "POST": WRITE, "PUT": WRITE, "DELETE": DELETE}

_EXCEPTIONS = {
    "GET /": ANY,
    "GET /service": ANY,
    "POST /service": ADMIN,
    "GET /service/storage-backends": ANY,
    "PUT /service/webhooks/{}": READ,
    "DELETE /service/webhooks/{}": READ,
    "GET /flow-delete-requests": ADMIN,
    "GET /flow-delete-requests/{}": DELETE,
    # an extension for operators: errors in it may tell of anybody's media
    "GET /jobs": ADMIN,
    # extensions of TAMS that stand for one of its operations
    "GET /deletion-requests": ADMIN,
    "GET /deletion-requests/{}": DELETE,
    "POST /deletion-requests": DELETE,
}

_PROPERTY = re.compile(r"DELETE /(?:sources|flows)/\{\}/(?!segments$).+|DELETE /objects/\{\}/instances")
"""To unset a property, or to remove one instance among several, deletes nothing that there is one of: write."""

_PUBLIC = re.compile(r"/(openapi\.json|docs|redoc.*|swagger.*|oauth2-redirect\.html|static/.*|health(/live)?)")
"""What says nothing of anybody's media: the document, the pages that show it, and whether the service is ready."""

_OF_MEDIA = re.compile(r"/media[^/]*/.*")
"""Bytes, whose URLs may be presigned: see `api.media`, which asks for credentials where they are not."""

_OF_THE_OPERATOR = re.compile(r"/keeping/.*")
"""What takes a key that only the operator of the service can read: see `api.keeping`."""

_OF_THE_WHOLE_STORE = frozenset({"/metrics", "/jobs"})
"""What tells of everybody's media at once, so that who sees only a part cannot have it."""


@lru_cache(maxsize=1024)
def needed(method: str, rule: str) -> frozenset[Scope] | None:
    """The scopes of which an operation takes one, by its method and its path; None when it asks for no credentials.

    Variables of the path may be written as Flask or as OpenAPI has them.

    >>> sorted(needed("HEAD", "/flows/<flow_id>"))
    [<Scope.READ: 'tams-api/read'>]
    """
    if any(one.fullmatch(rule) for one in (_PUBLIC, _OF_MEDIA, _OF_THE_OPERATOR)):
        return None
    operation = f"{'GET' if method == 'HEAD' else method} {re.sub(r'<[^>]*>|{[^}]*}', '{}', rule)}"
    if operation in _EXCEPTIONS:
        return _EXCEPTIONS[operation]
    return WRITE if _PROPERTY.fullmatch(operation) else _BY_METHOD.get(method, ADMIN)


def takes_whole_store(rule: str) -> bool:
    """Whether a path is not for callers from whom something is hidden."""
    return rule in _OF_THE_WHOLE_STORE
