"""The emulator: a database of DuckDB that answers as VAST Database does."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import duckdb

from tests.vast_emulator import answers, faults, signature
from tests.vast_emulator.answers import Answer
from tests.vast_emulator.catalogue import Catalogue
from tests.vast_emulator.counts import Counting
from tests.vast_emulator.errors import BadRequest, Conflict, InternalError, NotFound, Refused
from tests.vast_emulator.faults import ConnectionDropped, Fault, Faults
from tests.vast_emulator.routes import Cluster, Request, operation
from tests.vast_emulator.rows import Rows
from tests.vast_emulator.server import Server
from tests.vast_emulator.transactions import Transactions

_log = logging.getLogger(__name__)

ACCESS_KEY = "emulator-access"
SECRET_KEY = "emulator-secret"
CONTROL = "/_emulator/"
"""Where the counts and faults of an emulator in another process are read and set; requests need no signature there."""


class Emulator:
    """VAST Database on a port of this machine.

    >>> with Emulator() as emulator:
    ...     emulator.endpoint.startswith("http://127.0.0.1:")
    True
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        data: Path | None = None,
        keys: Mapping[str, str] | None = None,
        version: str = "5.5.0.0",
        idle_limit: float = 60.0,
    ) -> None:
        """Serve on `port` of the address `host`, 0 for a free one, what is in the file `data`, None for memory.

        `keys` are access keys and their secrets, `version` is the cluster's. A transaction that was not heard of for
        `idle_limit` seconds is rolled back: its client may be dead.
        """
        self.faults = Faults()
        self._keys = dict(keys or {ACCESS_KEY: SECRET_KEY})
        # One thread a statement: statements are small, and each request has a thread of its own.
        self._database = duckdb.connect(str(data) if data else ":memory:", config={"threads": 1})
        self._bucket_lock = threading.Lock()
        self._counting = Counting()
        self._transactions = Transactions(self._database, idle_limit)
        catalogue = Catalogue(self._database, self._transactions)
        self._cluster = Cluster(
            catalogue,
            Rows(catalogue, self._transactions),
            self._transactions,
            self._counting,
            self.buckets,
            tuple(map(int, version.split("."))),
        )
        self._buckets = [name for (name,) in self._database.execute("SELECT name FROM catalogue.buckets").fetchall()]
        self._server = Server(self, host, port, f"vast {version}")
        self.counts = self._counting.now
        self.reset_counts = self._counting.reset

    @property
    def endpoint(self) -> str:
        """Where it answers."""
        return self._server.endpoint

    def __enter__(self) -> Emulator:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop answering; open transactions are rolled back."""
        self._server.close()
        self._transactions.close()
        self._database.close()

    def buckets(self) -> list[str]:
        """Return the names of the buckets."""
        return list(self._buckets)

    def create_bucket(self, name: str) -> None:
        """Create a bucket, unless there is one of that name."""
        with self._bucket_lock:
            if name not in self._buckets:
                self._database.execute("INSERT INTO catalogue.buckets VALUES (?)", [name])
                self._buckets.append(name)

    def empty(self, bucket: str, schema: str, *, keep: Collection[str] = ()) -> None:
        """Delete the rows of a schema's tables, but of those to `keep`, at once and unseen by any client."""
        for handle, name in self._tables_in(bucket, schema):
            if name not in keep:
                self._database.execute(f"DELETE FROM rows.t{handle}")

    def untouched(self, bucket: str, schema: str, table: str, rows: int) -> bool:
        """Tell whether a table is there with the first `rows` rows that were ever inserted into it, and no others."""
        for handle, name in self._tables_in(bucket, schema):
            if name == table:
                found = self._database.execute(f"SELECT count(*), max(row_id) FROM rows.t{handle}").fetchone()
                return found == (rows, rows - 1)
        return False

    def _tables_in(self, bucket: str, schema: str) -> list[tuple[int, str]]:
        return self._database.execute(
            "SELECT handle, name FROM catalogue.tables WHERE bucket = ? AND schema = ?", [bucket, schema]
        ).fetchall()

    def answer(self, request: Request) -> Answer:
        """Do what a request asks for.

        :raise ConnectionDropped: when a fault says that there is no answer
        """
        try:
            if request.target.startswith(CONTROL):
                return self._control(request)
            signature.check(request.method, request.target, request.headers, request.body, keys=self._keys)
            return self._served(request)
        except Refused as error:
            return answers.refusal(error)
        except ConnectionDropped:
            raise
        except Exception as error:  # noqa: BLE001 - without any answer, the SDK asks for a minute before it gives up
            _log.exception("%s %s", request.method, request.target)
            return answers.refusal(InternalError(f"{type(error).__name__}: {error}"))

    def _served(self, request: Request) -> Answer:
        kind, work = operation(request)
        self._counting.request(kind, len(request.body))
        hits = self.faults.of(kind)
        faults.before(hits)
        try:
            answer = work(self._cluster, request)
        except duckdb.TransactionException as error:
            raise Conflict(str(error)) from error
        except (duckdb.ConversionException, duckdb.OutOfRangeException) as error:
            raise BadRequest(str(error)) from error
        return self._counted(kind, faults.after(hits, answer))

    def _counted(self, kind: str, answer: Answer) -> Answer:
        if isinstance(answer.body, bytes):
            self._counting.sent(kind, len(answer.body))
            return answer

        def body() -> Iterator[bytes]:
            for piece in answer.body:
                self._counting.sent(kind, len(piece))
                yield piece

        return replace(answer, body=body())

    def _control(self, request: Request) -> Answer:
        match request.method, request.target.removeprefix(CONTROL).split("/"):
            case "GET", ["counts"]:
                return Answer(body=json.dumps(self.counts().as_dict()).encode())
            case "DELETE", ["counts"]:
                self.reset_counts()
            case "POST", ["faults"]:
                self.faults.add(Fault(**json.loads(request.body)))
            case "DELETE", ["faults"]:
                self.faults.clear()
            case "PUT", ["buckets", name]:
                self.create_bucket(name)
            case _:
                raise NotFound(f"{request.method} {request.target}")
        return Answer()
