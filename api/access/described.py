"""What the OpenAPI document says of access: the ways that are on, and the scopes that each operation takes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from api.access.modes import SCHEMES
from api.access.scopes import needed
from tams_data.access import Scope

OTHERS = {
    401: "The request does not say who sends it, or its credentials are not good",
    403: "The caller may not do this",
    429: "The caller sends more requests than are taken; `Retry-After` says when the next one will be",
}
"""What an operation may be answered with that asks for credentials, and why."""


def describe(document: dict[str, Any], modes: Collection[str], problems: Mapping[int, Mapping[str, Any]]) -> None:
    """Say it in the document. `problems` are responses for the statuses of `OTHERS`; an open service has none.

    The scopes stand as the roles of a scheme, as OpenAPI 3.1 has it for those that are not OAuth's. Where one of
    several will do, each is an alternative. Of an open service the alternatives begin with no credentials at all.
    """
    schemes = [scheme for mode, scheme in SCHEMES.items() if mode in modes] or list(SCHEMES.values())
    kept = document["components"]["securitySchemes"]
    document["components"]["securitySchemes"] = {name: kept[name] for name in schemes}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            scopes = needed(method.upper(), path)
            operation["security"] = [] if scopes is None else _alternatives(scopes, schemes, is_open=not modes)
            if modes and scopes is not None:
                _add_answers(operation["responses"], problems, has_content=method != "head")


def _alternatives(scopes: frozenset[Scope], schemes: Collection[str], *, is_open: bool) -> list[dict[str, list[str]]]:
    wanted = [scope.value for scope in Scope if scope in scopes or scope is Scope.ADMIN]
    some: list[dict[str, list[str]]] = [{scheme: [scope]} for scope in wanted for scheme in schemes]
    return [{}, *some] if is_open else some


def _add_answers(responses: dict[str, Any], problems: Mapping[int, Mapping[str, Any]], *, has_content: bool) -> None:
    for status, answer in problems.items():
        said = dict(answer) if has_content else {"description": answer["description"]}
        responses.setdefault(str(status), said)
