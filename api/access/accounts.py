"""The file of tokens and users that are admitted, which is read again when it changes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from time import monotonic_ns
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from api.access import hashing
from tams_data.access import Caller, Scope, group_names
from tams_data.errors import InvalidSetting

log = logging.getLogger(__name__)

_NAME = "TAMS_ACCESS_FILE"

_LOOKED_AT_EVERY_NS = 2 * 10**9


def _scope(word: str) -> Scope:
    """A scope by its name, or by the last part of it."""
    return Scope(word if "/" in word else f"tams-api/{word}")


def _can_be_groups(names: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if names is not None and len(group_names(names)) != len(set(names)):
        raise ValueError("a group has a name, which does not end in _ro or _rw")
    return names


class _Entry(BaseModel):
    """Who is admitted. Without `groups`, nothing is hidden."""

    # Input stays out of errors: somebody may have written a password where its hash belongs.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: str = Field(min_length=1, max_length=200, pattern=r"^[^:]+$")
    hash: str = Field(repr=False)
    scopes: tuple[Annotated[str, AfterValidator(lambda word: _scope(word).value)], ...] = Field(min_length=1)
    groups: Annotated[tuple[str, ...] | None, Field(max_length=100), AfterValidator(_can_be_groups)] = None

    @cached_property
    def caller(self) -> Caller:
        """Who it is."""
        groups = None if self.groups is None else frozenset(self.groups)
        return Caller(self.name, frozenset(map(Scope, self.scopes)), groups)


class Token(_Entry):
    """A token that is admitted."""

    hash: str = Field(repr=False, pattern=r"^sha256:[0-9a-f]{64}$")


class User(_Entry):
    """Somebody with a password."""

    hash: str = Field(repr=False, pattern=r"^scrypt:\d+:\d+:\d+\$[A-Za-z0-9]+\$[0-9a-f]{128}$")


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    tokens: tuple[Token, ...] = ()
    users: tuple[User, ...] = ()


class Accounts:
    """The tokens and the users of a file. A change of it, as of who is admitted no more, holds within two seconds.

    A file that cannot be read any more changes nothing but the log: nobody is locked out by a slip of an editor.
    """

    def __init__(self, path: Path) -> None:
        """:raise InvalidSetting: the file cannot be read, or is not as it should be."""
        self._path, self._lock = path, threading.Lock()
        self._seen, self._looked_ns = _changed(path), monotonic_ns()
        self._take(_read(path))

    def __repr__(self) -> str:
        return f"Accounts({str(self._path)!r})"

    def token(self, token: str) -> Caller | None:
        """Whose token it is."""
        self._look()
        kept = hashing.hash_of_token(token)
        found = self._tokens.get(kept)
        return found.caller if found is not None and hashing.is_same(found.hash, kept) else None

    def version_of(self, name: str) -> str:
        """Another text whenever something else is kept of a user; the empty one while there is no such user."""
        self._look()
        found = self._users.get(name)
        return "" if found is None else found.model_dump_json()

    def user(self, name: str, password: str) -> Caller | None:
        """The user with this name and password. Takes as long when there is none of this name."""
        found = self._users.get(name)
        good = hashing.is_password(password, self._nobodys if found is None else found.hash)
        return found.caller if good and found is not None else None

    @cached_property
    def _nobodys(self) -> str:
        """What is kept of a password that nobody knows."""
        return hashing.hash_of_password(hashing.new_token())

    def _take(self, file: _File) -> None:
        self._tokens = {one.hash: one for one in file.tokens}
        self._users = {one.name: one for one in file.users}

    def _look(self) -> None:
        """Read the file again if it has changed."""
        if monotonic_ns() - self._looked_ns < _LOOKED_AT_EVERY_NS:
            return
        with self._lock:
            self._looked_ns = monotonic_ns()
            changed = _changed(self._path)
            if changed == self._seen:
                return
            self._seen = changed
            try:
                self._take(_read(self._path))
            except InvalidSetting as error:
                log.error("who is admitted stays as it was: %s", error)


def _changed(path: Path) -> tuple[int, int, int]:
    """What is another when the file is another; zeros when there is none."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0, 0
    return found.st_mtime_ns, found.st_size, found.st_ino


def _read(path: Path) -> _File:
    try:
        file = _File.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InvalidSetting(f"{_NAME}={str(path)!r}: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise InvalidSetting(f"{_NAME}={str(path)!r}: {where or 'the file'}: {first['msg']}") from None
    _refuse_twice(path, "token", [one.hash for one in file.tokens])
    _refuse_twice(path, "name of a user", [one.name for one in file.users])
    return file


def _refuse_twice(path: Path, what: str, values: Sequence[str]) -> None:
    if len(set(values)) != len(values):
        raise InvalidSetting(f"{_NAME}={str(path)!r}: the same {what} is there twice")
