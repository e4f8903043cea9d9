"""Reads a store's tables through any engine that Ibis knows: where analyses go that outgrow one machine.

The engine is only read from, and each query is compiled at each call: beside what an aggregate over a large store
takes, the milliseconds are nothing. What an engine says may repeat its URL, which may have a password in it: nothing
of the URL but its scheme is ever told.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from importlib.metadata import entry_points
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, unquote_plus, urlsplit

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _
from pydantic import SecretStr

from tams_data import schema
from tams_data.engines.base import Description, Query, Tables, TableSummary
from tams_data.engines.binding import Value
from tams_data.engines.compiling import COMPILER
from tams_data.errors import AnalyticsUnavailable, InvalidSetting

_VARIABLE = "TAMS_ANALYTICS_URL"

_HIDDEN = "…"


class IbisReader:
    """The tables of an Ibis connection, found by their names in the schema. Each thread has a connection of its own."""

    sorts = True

    def __init__(self, name: str, connect: Callable[[], ibis.BaseBackend], *, secrets: frozenset[str]) -> None:
        """`connect` makes a connection; `secrets` are shown in no error."""
        self._name = name
        self._connect = connect
        self._secrets = sorted(secrets, key=len, reverse=True)  # one may be part of another
        self._local = threading.local()

    def __repr__(self) -> str:
        return f"IbisReader({self._name})"

    def read(self, query: Query, values: Mapping[str, Value] | None = None, /, **options: Hashable) -> pa.Table:
        """The rows, as `Reader.read` gives them.

        :raise AnalyticsUnavailable: the engine cannot be reached, lacks a table, or cannot run the query.
        """
        plain = {name: _plain(value) for name, value in (values or {}).items()}
        with self._errors():
            connection = self._connection()
        expression = query(_Tables(connection, self._errors), **plain, **options)
        with self._errors():
            return _fetched(expression, connection.name)

    def rows(
        self, query: Query, values: Mapping[str, Value] | None = None, /, **options: Hashable
    ) -> list[dict[str, Any]]:
        """The rows, as `Reader.rows` gives them.

        :raise AnalyticsUnavailable: as for `read`.
        """
        rows: list[dict[str, Any]] = self.read(query, values, **options).to_pylist()
        return rows

    def describe(self) -> Description:
        """What is in the tables. Rows are counted; no engine is asked what they weigh.

        :raise AnalyticsUnavailable: as for `read`.
        """
        with self._errors():
            version = str(self._connection().version)
        found = self.read(counted)
        counts = zip(found["table_name"].to_pylist(), found["row_count"].to_pylist(), strict=True)
        tables = tuple(TableSummary(name, schema.TABLES[name].names, (), rows, None) for name, rows in counts)
        return Description(self._name, version, tables)

    def snapshot(self) -> AbstractContextManager[IbisReader]:
        """Itself: Ibis knows no transactions, so two reads may be of two states."""
        return nullcontext(self)

    def _connection(self) -> ibis.BaseBackend:
        """This thread's connection."""
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect()
        return connection

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """What goes wrong at the engine as an error of the project's; the thread gets a new connection then."""
        try:
            yield
        except Exception as error:  # noqa: BLE001  # each driver has errors of its own, and not all are installed
            self._local.connection = None
            # Not `from error`: a log shows what an error came from, and that may have the password in it.
            raise AnalyticsUnavailable(
                f"the engine of {_VARIABLE}, {self._name}: {type(error).__name__}: {self._told(str(error))}"
            ) from None

    def _told(self, text: str) -> str:
        """A text without what nobody may see."""
        for secret in self._secrets:
            text = text.replace(secret, _HIDDEN)
        return text


def connect_reader(url: SecretStr) -> IbisReader:
    """A reader of the engine at a URL as `ibis.connect` takes them. It connects when it first reads.

    :raise InvalidSetting: Ibis knows no engine for the URL, or the package that it needs is not installed.
    """
    text = url.get_secret_value()
    parts = _split(text)
    scheme = parts.scheme.replace("postgresql", "postgres")
    if scheme not in entry_points(group="ibis.backends").names:
        raise InvalidSetting(f"{_VARIABLE}: Ibis knows no engine {scheme!r}")
    try:
        getattr(ibis, scheme)
    except ImportError as error:
        raise InvalidSetting(
            f"{_VARIABLE}: the engine {scheme} needs a package: pip install 'ibis-framework[{scheme}]'"
        ) from error
    return IbisReader(scheme, partial(_connected, text), secrets=_secrets_of(text, parts))


def _connected(url: str) -> ibis.BaseBackend:
    connection = ibis.connect(url)
    if connection.name == "duckdb":
        connection.compiler = COMPILER  # its own does not drop columns: see binding
    return connection


def _split(url: str) -> SplitResult:
    """The parts of a URL.

    :raise InvalidSetting: it is none, or one whose password cannot be told from the rest.
    """
    scheme, separator, _ = url.partition("://")
    if not (separator and scheme.isidentifier()):
        raise InvalidSetting(f"{_VARIABLE} is not engine://place")  # its text is not repeated: see above
    try:
        parts = urlsplit(url)
    except ValueError:
        raise InvalidSetting(f"{_VARIABLE} is not a URL") from None
    if any("@" in part for part in parts[2:]):
        raise InvalidSetting(f"{_VARIABLE}: write /, ?, # and @ of a user or a password as %2F, %3F, %23 and %40")
    return parts


def _secrets_of(url: str, parts: SplitResult) -> frozenset[str]:
    """What of a URL nobody may see: itself, who connects, and what its parameters are set to."""
    user, separator, _ = parts.netloc.rpartition("@")
    given = {url, *(user.split(":", 1) if separator else ()), *(value for _, value in parse_qsl(parts.query))}
    given |= {parts.query, user}
    return frozenset({form for one in given for form in (one, unquote(one), unquote_plus(one))} - {""})


class _Tables:
    """The tables of a connection as attributes, each looked up when a query asks for it."""

    def __init__(self, connection: ibis.BaseBackend, errors: Callable[[], AbstractContextManager[None]]) -> None:
        self._connection = connection
        self._errors = errors

    def __getattr__(self, name: str) -> ir.Table:
        with self._errors():
            return self._connection.table(name)


def _fetched(expression: ir.Table, engine: str) -> pa.Table:
    """The rows of an expression, to the last nanosecond."""
    if engine != "pyspark":
        return expression.to_pyarrow()
    # Ibis takes the rows of Spark through pandas, where a column of integers with a null is one of floats.
    types = expression.schema()
    integers = [name for name, kind in types.items() if kind.is_integer()]
    rows = expression.mutate(**{name: expression[name].cast("string") for name in integers}).to_pyarrow()
    return rows.cast(types.to_pyarrow())


def counted(tables: Tables) -> ir.Table:
    """`table_name` and `row_count` of each table."""
    counts = [
        getattr(tables, name).aggregate(row_count=_.count()).select("row_count", table_name=ibis.literal(name))
        for name in schema.TABLES
    ]
    return ibis.union(*counts)


def _plain(value: Value) -> Any:
    """A value as an expression of the type that a placeholder for it has."""
    if isinstance(value, pa.Table):
        return ibis.memtable(value)
    if isinstance(value, list | tuple):
        return tuple(_plain(one) for one in value)
    return ibis.literal(value, "int64" if isinstance(value, int) else "string")
