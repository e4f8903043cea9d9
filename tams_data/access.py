"""Who may do what: callers, the scopes they come with, and the auth classes of what they may see and change.

The BBC's application note 0016 is where this is from. A scope is what a caller may do in all of the store. A caller
with *groups* is restricted beside that: to sources, flows and webhooks whose tag `auth_classes` names a class that
one of the groups has, and to the segments and objects of such flows. Of a group `sport`,

    the class    lets members    as far as their scopes go
    sport        read, write, delete
    sport_rw     read, write
    sport_ro     read

What has none of a restricted caller's classes is not there, for that caller. Nobody with the scope admin is restricted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any

import orjson

from tams_data.errors import NotFound, NotPermitted
from tams_data.schema import tag_term

TAG = "auth_classes"
"""The tag that names the classes of a source, a flow or a webhook."""

_NOBODY = 0
"""Stands for the terms of who has no class: no tag's term is 0, with a chance of one in 1.8e19."""


_FEW = 12


class Scope(str, Enum):
    """What a caller may do, by the names of OAuth scopes that application note 0016 gives."""

    READ = "tams-api/read"
    WRITE = "tams-api/write"
    DELETE = "tams-api/delete"
    ADMIN = "tams-api/admin"

    @property
    def word(self) -> str:
        """The last part of the name."""
        return self.value.rpartition("/")[2]


_CLASSES = {Scope.READ: ("", "_rw", "_ro"), Scope.WRITE: ("", "_rw"), Scope.DELETE: ("",)}
"""How the classes of a group end that give a permission."""

RESERVED = ("_rw", "_ro")
"""How no group's name ends: its own class would be another's."""


@dataclass(frozen=True)
class Caller:
    """Who sends a request. Without a name callers are not told apart; without `groups`, None, nothing is hidden.

    `is_lent` is whether it is somebody to whom the caller has lent a token.
    """

    name: str | None = None
    scopes: frozenset[Scope] = frozenset(Scope)
    groups: frozenset[str] | None = None
    is_lent: bool = False

    def has(self, *scopes: Scope) -> bool:
        """Whether the caller comes with one of these scopes, or with admin, which stands for all."""
        return Scope.ADMIN in self.scopes or not self.scopes.isdisjoint(scopes)

    @property
    def is_restricted(self) -> bool:
        """Whether there may be something in the store that is hidden from the caller."""
        return self.groups is not None and Scope.ADMIN not in self.scopes

    def classes(self, permission: Scope) -> frozenset[str]:
        """The classes that let the caller read, write or delete, as far as the scopes do; of who is restricted."""
        return frozenset(f"{group}{ending}" for group in self.groups or () for ending in _CLASSES[permission])

    def may(self, permission: Scope, tags: Mapping[str, Any]) -> bool:
        """Whether the tags of something let the caller read, write or delete it."""
        return not self.is_restricted or not self.classes(permission).isdisjoint(classes_of(tags))

    @cached_property
    def seen_by(self) -> tuple[Sequence[int], Sequence[int], str]:
        """What `queries.visible` is bound to."""
        return self.terms(Scope.READ), self.terms(Scope.DELETE), self.name or ""

    def terms(self, permission: Scope) -> tuple[int, ...] | list[int]:
        """The terms of tags that let the caller read, write or delete: see `schema.tag_terms`. At least one.

        A few are a tuple, which a query is compiled for as it is: a list is padded, and every term is looked for.
        """
        found = [tag_term(TAG, one) for one in sorted(self.classes(permission))] or [_NOBODY]
        return tuple(found) if len(found) <= _FEW else found


ANYONE = Caller()
"""Who may do everything: the caller of an open service."""


def group_names(given: Iterable[object]) -> frozenset[str]:
    """Those of the values that can be names of groups."""
    return frozenset(one for one in given if isinstance(one, str) and one and not one.endswith(RESERVED))


def classes_of(tags: Mapping[str, Any]) -> frozenset[str]:
    """The classes that tags name.

    >>> sorted(classes_of({"auth_classes": ["news", "sport_ro"]}))
    ['news', 'sport_ro']
    """
    named = tags.get(TAG, ())
    return frozenset([named] if isinstance(named, str) else named)


def terms_in(tags: str) -> tuple[int, ...]:
    """The terms of the classes that tags name, which are a JSON object as in the tables: see `schema.tag_terms`.

    >>> terms_in('{"genre":"news"}')
    ()
    """
    if TAG not in tags:  # most tags, at less than it takes to read them
        return ()
    return tuple(tag_term(TAG, one) for one in sorted(classes_of(orjson.loads(tags))))


def check(caller: Caller, permission: Scope, tags: Mapping[str, Any], missing: NotFound) -> None:
    """Refuse what the tags of something do not let the caller do.

    Application note 0016: who may do nothing with it is told that it is not there.

    :raise NotFound: that is `missing`.
    :raise NotPermitted: the caller may read it, and no more than that.
    """
    if caller.may(permission, tags):
        return
    if not caller.may(Scope.READ, tags):
        raise missing
    raise NotPermitted(f"{caller.name} may not {permission.word} this: it has none of the {TAG} for that")


def check_edit(caller: Caller, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Refuse a change of classes by who has not all of the permissions that it gives or takes.

    Application note 0016: otherwise, who may write would let themselves delete.

    :raise NotPermitted: the caller lacks one of them, by scope or by class.
    """
    for permission in _given_by(classes_of(before) ^ classes_of(after)):
        if not (caller.has(permission) and caller.may(permission, before)):
            raise NotPermitted(
                f"{caller.name} may not {permission.word} this, nor change who may: {TAG} stays as it is"
            )


def _given_by(classes: Iterable[str]) -> set[Scope]:
    """The permissions that classes give to some group."""
    endings = {next((end for end in RESERVED if one.endswith(end)), "") for one in classes}
    return {permission for permission, ends in _CLASSES.items() if endings.intersection(ends)}
