"""A store as a restricted caller may use it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tams_data.access import Caller
from tams_data.errors import TamsDataError
from tams_data.seen import SeenDatabase
from tams_data.store.guards import guarded
from tams_data.store.outbox import Announcing
from tams_data.store.store import Store
from tams_data.store.writer import A, Handler, R, Writer, each


def seen_by(store: Store, caller: Caller) -> Store:
    """The store as a caller may use it: itself, unless something in it may be hidden from the caller."""
    return SeenStore(store, caller) if caller.is_restricted else store


class SeenStore(Store):
    """The same store, whose database shows what the caller sees and whose commands are guarded."""

    def __init__(self, store: Store, caller: Caller) -> None:  # it opens nothing, and takes over what is open
        self.__dict__.update(vars(store))
        self.database = SeenDatabase(store.database, caller)
        self._writer = _GuardedWriter(self._writer, caller)

    def close(self) -> None:
        """Leave it open: it is not the caller's."""


@dataclass(frozen=True)
class _Guarded:
    caller: Caller
    handler: Handler[Any, Any]
    command: Any = field(repr=False)  # it may have a secret in it


def _carry_out(transaction: Announcing, request: _Guarded) -> Any:
    command = guarded(transaction, request.caller, request.command)
    (verdict,) = request.handler(transaction, [command])
    if isinstance(verdict, TamsDataError):
        raise verdict
    return verdict


_carry_out_each = each(_carry_out)


class _GuardedWriter(Writer):
    """Has commands checked in the transaction that carries them out: nothing changes in between."""

    def __init__(self, writer: Writer, caller: Caller) -> None:  # it has no thread of its own
        self._guarded, self._caller = writer, caller

    def submit(self, handler: Handler[A, R], argument: A) -> R:
        """As of the writer; and refuse what the caller may not have done. See `guards.guarded`."""
        result: R = self._guarded.submit(_carry_out_each, _Guarded(self._caller, handler, argument))
        return result

    def check(self, *, within_s: float) -> None:
        """As of the writer."""
        self._guarded.check(within_s=within_s)

    def close(self) -> None:
        """Leave it open: it is not the caller's."""
