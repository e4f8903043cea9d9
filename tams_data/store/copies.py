"""Copies of objects to further storage backends, made in the background and advertised once they are whole."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from time import time_ns
from typing import Any, TypeAlias

from tams_data.engines.base import Database, Transaction
from tams_data.errors import ObjectNotFound, StoreUnavailable, TamsDataError, UnknownStorageBackend
from tams_data.media import NO_CHECKSUMS, MediaStore, Stream
from tams_data.media.remote import Incoming
from tams_data.queries import objects as queries
from tams_data.store import instances
from tams_data.store.alone import Alone
from tams_data.store.attempts import MOST_ATTEMPTS, retry_s
from tams_data.store.instances import Copy
from tams_data.store.reading import objects_with_instances
from tams_data.store.writer import Writer, each
from tams_data.timerange import NS_PER_SECOND

log = logging.getLogger(__name__)

Fetch: TypeAlias = Callable[[str], AbstractContextManager[Incoming]]
"""The bytes at a URL, as `media.remote.fetch` gives them."""


CLAIM_S = 600
"""How long a copy is left to the process that claimed it, in seconds."""


class Copier:
    """Makes the copies that `object_copies` lists."""

    def __init__(
        self,
        database: Database,
        media: Mapping[str, MediaStore],
        writer: Writer,
        *,
        fetch: Fetch,
        alone: Alone,
        closing: threading.Event,
        clock_ns: Callable[[], int] = time_ns,
    ) -> None:
        """`alone` is the right by which discarded bytes are deleted; `closing` breaks off the copy under way."""
        self._database, self._media, self._writer = database, media, writer
        self._fetch, self._alone, self._closing, self._clock_ns = fetch, alone, closing, clock_ns
        self._check, self._finish = each(instances.check_copy), each(self._finished)
        self._claim = each(instances.claim_copy)
        self._put_off, self._give_up = each(self._failed), each(_given_up)

    def step(self) -> bool:
        """Make the copy that has waited longest of those that are due; whether there was one."""
        due = self._database.rows(queries.copies_due, {"now_ns": self._clock_ns()}, limit=1)
        for row in due:
            self._attempt(row)
        return bool(due) and not self._closing.is_set()

    def _attempt(self, row: Mapping[str, Any]) -> None:
        found = objects_with_instances(self._database, [row["object_key"]]).get(row["object_key"])
        copy = Copy(found["id"] if found else "", row["object_key"], row["storage_id"], row["attempts"])
        if found is None:
            return  # deleted since, and the copy with it
        if not self._is_ours(copy):
            return
        try:
            self._copy(copy, found["instances"])
        except TamsDataError as error:
            if not self._closing.is_set():
                self._note(copy, str(error))
        except Exception as error:  # noted with the copy, which would hold up all the others otherwise
            log.error("copy of object %r to %s broke off", copy.object_id, copy.storage_id, exc_info=error)
            self._note(copy, f"it broke off: {type(error).__name__}")

    def _is_ours(self, copy: Copy) -> bool:
        """Whether no other process makes the copy at the same time; if one takes very long, another may begin it."""
        now_ns = self._clock_ns()
        claim = (copy, now_ns, now_ns + CLAIM_S * NS_PER_SECOND)
        return self._database.sole_writer or self._writer.submit(self._claim, claim)

    def _note(self, copy: Copy, error: str) -> None:
        """Have the copy tried again, or given up."""
        tried, last = copy.attempts + 1, copy.attempts + 1 >= MOST_ATTEMPTS
        what = "is given up" if last else f"is tried again in {retry_s(tried)} s"
        log.warning("copy %s of object %r to %s %s: %s", tried, copy.object_id, copy.storage_id, what, error)
        if last:
            self._writer.submit(self._give_up, copy)
        else:
            self._writer.submit(self._put_off, (copy, error))

    def _copy(self, copy: Copy, there: Sequence[Mapping[str, Any]]) -> None:
        target = self._media.get(copy.storage_id)
        if target is None:
            raise UnknownStorageBackend(f"no storage backend {copy.storage_id}", value=copy.storage_id)
        holder = self._holder(copy.object_id, there)
        with ExitStack() as held:

            def confirm() -> None:
                # From here until the rows agree with the bytes, nothing is swept: should the object be deleted
                # meanwhile, the note of that is still there when these bytes are.
                held.enter_context(self._alone)
                self._writer.submit(self._check, copy)

            if holder is None or not target.copy_from(
                holder, copy.object_id, going_on=self._refuse_closing, confirm=confirm
            ):
                with self._source(copy.object_id, holder, there) as incoming:
                    target.write(
                        copy.object_id,
                        _Checked(incoming.stream, self._refuse_closing),
                        length=incoming.length,
                        content_type=incoming.content_type,
                        checksums=incoming.checksums,
                        confirm=confirm,
                    )
            self._alone.check()
            self._writer.submit(self._finish, copy)

    def _holder(self, object_id: str, there: Sequence[Mapping[str, Any]]) -> MediaStore | None:
        """A backend of the service that has the bytes of an object, if there is one."""
        stores = (self._media.get(row["storage_id"]) for row in there)
        return next((media for media in stores if media is not None and media.stat(object_id) is not None), None)

    @contextmanager
    def _source(
        self, object_id: str, holder: MediaStore | None, there: Sequence[Mapping[str, Any]]
    ) -> Iterator[Incoming]:
        """The bytes of an object, from the backend that has them or from a URL."""
        if holder is not None:
            with holder.open(object_id) as opened:
                stat = opened.stat
                checksums = NO_CHECKSUMS if stat.sha256 is None else {"sha256": stat.sha256}
                yield Incoming(stat.size_bytes, stat.content_type, opened.file, checksums)
                return
        url = next((row["url"] for row in there if row["url"] is not None), None)
        if url is None:
            raise ObjectNotFound(f"no bytes are stored for object {object_id!r}")
        with self._fetch(url) as incoming:
            yield incoming

    def _refuse_closing(self) -> None:
        if self._closing.is_set():
            raise StoreUnavailable("the store is closing")

    def _finished(self, transaction: Transaction, copy: Copy) -> None:
        instances.finish_copy(transaction, copy, self._clock_ns())

    def _failed(self, transaction: Transaction, failed: tuple[Copy, str]) -> None:
        copy, error = failed
        next_ns = self._clock_ns() + retry_s(copy.attempts + 1) * NS_PER_SECOND
        instances.put_off(transaction, copy, error=error, next_ns=next_ns)


def _given_up(transaction: Transaction, copy: Copy) -> None:
    instances.end_copies(transaction, [copy])


class _Checked:
    """A stream that is asked before each piece whether to go on."""

    def __init__(self, stream: Stream, going_on: Callable[[], object]) -> None:
        self._stream, self._going_on = stream, going_on

    def read(self, size: int, /) -> bytes:
        self._going_on()
        return self._stream.read(size)
