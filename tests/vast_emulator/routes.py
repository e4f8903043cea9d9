"""Which request does what: the method and the first word of the query string name the operation."""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
from vastdb.vast_flatbuf.tabular import (
    AlterProjectionTableRequest,
    AlterSchemaRequest,
    AlterTableRequest,
    ColumnType,
    CreateProjectionRequest,
    CreateSchemaRequest,
)

from tests.vast_emulator import answers
from tests.vast_emulator.answers import Answer, Details, Part
from tests.vast_emulator.catalogue import Catalogue, Column, Projection, Table
from tests.vast_emulator.counts import Counting
from tests.vast_emulator.errors import BadRequest, InternalError, NotFound, NotImplementedHere
from tests.vast_emulator.predicates import Query, decode
from tests.vast_emulator.rows import END, ROW_GROUP, Page, Rows, Split, size_in_bytes
from tests.vast_emulator.transactions import Transaction, Transactions

_SPLIT_ESTIMATE = 2**32 - 4  # the number of a split by which a client asks how many row groups a query reads
_PAGE = 128 * 1024  # rows in a page, when a client does not say


@dataclass(frozen=True)
class Request:
    """A request whose signature was found to be good."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> list[str]:
        """The names in the path."""
        return [urllib.parse.unquote(name) for name in self.target.partition("?")[0].split("/") if name]

    @property
    def parameters(self) -> dict[str, str]:
        """What the query string says."""
        return dict(urllib.parse.parse_qsl(self.target.partition("?")[2], keep_blank_values=True))

    @property
    def command(self) -> str:
        """The word that names the operation; S3's own requests have none."""
        word = self.target.partition("?")[2].partition("&")[0]
        return "" if "=" in word else word

    @property
    def bucket(self) -> str:
        """The first name in the path."""
        return self.path[0] if self.path else ""

    @property
    def schema(self) -> str:
        """All names behind the bucket's."""
        return "/".join(self.path[1:])

    @property
    def table(self) -> tuple[str, str, str]:
        """Bucket, schema and table."""
        return self.bucket, "/".join(self.path[1:-1]), self.path[-1]

    @property
    def txid(self) -> int:
        """The transaction, 0 for one of the request's own."""
        return int(self.headers.get("tabular-txid") or 0)

    def numbered(self, prefix: str) -> list[str]:
        """Return the values of the headers `prefix0`, `prefix1`, ..."""
        values = []
        while (value := self.headers.get(f"{prefix}{len(values)}")) is not None:
            values.append(value)
        return values


@dataclass(frozen=True)
class Cluster:
    """What the operations work on."""

    catalogue: Catalogue
    rows: Rows
    transactions: Transactions
    counting: Counting
    buckets: Callable[[], list[str]]
    version: tuple[int, ...]

    def table(self, transaction: Transaction, request: Request) -> Table:
        """Return the table that a request names.

        :raise NotFound: when there is none
        """
        return self.catalogue.table(transaction, *request.table)


Operation = Callable[[Cluster, Request], Answer]
InTransaction = Callable[[Cluster, Transaction, Request], Answer]


def operation(request: Request) -> tuple[str, Operation]:
    """Return the name of the operation that a request is for, and the operation.

    :raise NotImplementedHere: when there is none
    """
    route = (request.method, request.command)
    if route not in ROUTES or "sub-table" in request.parameters:
        raise NotImplementedHere(f"{request.method} {request.target}")
    return ROUTES[route]


# Transactions and buckets


def get_transaction(cluster: Cluster, request: Request) -> Answer:
    """Answer with the version, which every answer has in `Server`, or whether a transaction is open."""
    if request.headers.get("tabular-get-vast-version") is None:
        with cluster.transactions.use(request.txid):
            pass
    return Answer()


def begin(cluster: Cluster, _: Request) -> Answer:
    """Open a transaction; the node that did is named as the SDK reads it."""
    begun = cluster.transactions.begin()
    return Answer(headers={"tabular-txid": str(begun.txid), "x-vast-rcf-id": "E1:1"})


def commit(cluster: Cluster, request: Request) -> Answer:
    """Commit a transaction."""
    cluster.transactions.commit(request.txid)
    return Answer()


def roll_back(cluster: Cluster, request: Request) -> Answer:
    """Roll a transaction back."""
    cluster.transactions.roll_back(request.txid)
    return Answer()


def head_bucket(cluster: Cluster, request: Request) -> Answer:
    """Say whether there is a bucket."""
    _check_bucket(cluster, request)
    return Answer()


def list_snapshots(cluster: Cluster, request: Request) -> Answer:
    """List the snapshots of a bucket: none are ever made."""
    _check_bucket(cluster, request)
    return Answer(body=b"<ListBucketResult><IsTruncated>false</IsTruncated><Marker></Marker></ListBucketResult>")


def _check_bucket(cluster: Cluster, request: Request) -> None:
    if request.bucket not in cluster.buckets():
        raise NotFound(f"there is no bucket {request.bucket!r}", code="NoSuchBucket")


# Lists


def _part(request: Request, found: Sequence[Any], name: Callable[[Any], str]) -> Part:
    """Return what a client wants of what there is: a name, or those with a beginning, and so many at a time."""
    exact = request.headers.get("tabular-name-exact-match")
    prefix = request.headers.get("tabular-name-prefix") or ""
    if exact is not None:
        matching = [one for one in found if name(one) == exact]
    else:
        matching = [one for one in found if name(one).startswith(prefix)]
    start = int(request.headers.get("tabular-next-key") or 0)
    end = start + int(request.headers.get("tabular-max-keys") or 1000)
    count_only = request.headers.get("tabular-list-count-only") == "True"
    items = [] if count_only else matching[start:end]
    return Part(items, next_key=end, truncated=not count_only and end < len(matching), total=len(matching))


def _sorting(cluster: Cluster, request: Request) -> list[int]:
    positions = [int(value) for value in request.numbered("tabular-sorted-column-")]
    if positions and cluster.version < (5, 3):
        raise NotImplementedHere(f"VAST {cluster.version} has no sorted tables")
    return positions


def list_schemas(cluster: Cluster, transaction: Transaction, request: Request) -> Answer:
    """List the schemas inside a bucket or a schema."""
    _check_bucket(cluster, request)
    found = cluster.catalogue.schemas(transaction, request.bucket, request.schema)
    part = _part(request, found, lambda schema: schema.name)
    details = [Details(schema.name, schema.properties, schema.handle) for schema in part.items]
    return answers.listed("schemas", part, details, bucket=request.bucket)


def list_tables(cluster: Cluster, transaction: Transaction, request: Request) -> Answer:
    """List the tables of a schema."""
    cluster.catalogue.schema(transaction, request.bucket, request.schema)
    found = cluster.catalogue.tables(transaction, request.bucket, request.schema)
    part = _part(request, found, lambda table: table.name)
    details = [_table_details(cluster, transaction, table) for table in part.items]
    return answers.listed("tables", part, details, bucket=request.bucket, schema=request.schema)


def _table_details(cluster: Cluster, transaction: Transaction, table: Table) -> Details:
    rows = cluster.rows.count(transaction, table)
    size = size_in_bytes(table, rows)
    return Details(table.name, table.properties, table.handle, rows, size, sorted=bool(table.sorted))


def list_columns(cluster: Cluster, transaction: Transaction, request: Request) -> Answer:
    """List the columns of a table, each with its place in the sorting key."""
    table = cluster.table(transaction, request)
    part = _part(request, table.columns, lambda column: column.name)
    if request.headers.get("tabular-only-column-names"):
        return answers.columns(replace(part, items=[pa.field(column.name, pa.null()) for column in part.items]))
    return answers.columns(replace(part, items=[_field(table, column) for column in part.items]))


def _field(table: Table, column: Column) -> pa.Field:
    if column.name not in table.sorted:
        return column.field.with_metadata({"VAST:sort_type": "Unsorted"})
    index = str(table.sorted.index(column.name))
    return column.field.with_metadata({"VAST:sort_type": "Sorted", "VAST:sort_index": index})


def list_sorted_columns(cluster: Cluster, transaction: Transaction, request: Request) -> Answer:
    """List the sorting key of a table."""
    table = cluster.table(transaction, request)
    if not table.sorted:
        raise BadRequest("Listing sorted columns without elysium enabled")
    part = _part(request, [table.column(name) for name in table.sorted], lambda column: column.name)
    return answers.columns(replace(part, items=[_field(table, column) for column in part.items]))


def list_projections(cluster: Cluster, transaction: Transaction, request: Request) -> Answer:
    """List the projections of a table."""
    bucket, schema, name = request.table
    table = cluster.table(transaction, request)
    part = _part(request, cluster.catalogue.projections(transaction, table), lambda projection: projection.name)
    rows = cluster.rows.count(transaction, table)
    size = size_in_bytes(table, rows)
    details = [Details(one.name, one.properties, one.handle, rows, size) for one in part.items]
    return answers.listed("projections", part, details, bucket=bucket, schema=schema, table=name)


def list_projection_columns(cluster: Cluster, transaction: Transaction, request: Request) -> Answer:
    """List the columns of a projection."""
    table = cluster.table(transaction, request)
    projection = cluster.catalogue.projection(transaction, table, request.parameters["name"])
    names = (*projection.sorted, *projection.unsorted)
    part = _part(request, [table.column(name) for name in names], lambda column: column.name)
    return answers.columns(replace(part, items=[column.field for column in part.items]))


# Schemas


def create_schema(cluster: Cluster, transaction: Transaction, request: Request) -> Answer:
    """Create a schema."""
    _check_bucket(cluster, request)
    wanted = CreateSchemaRequest.CreateSchemaRequest.GetRootAs(request.body)
    cluster.catalogue.create_schema(transaction, request.bucket, request.schema, _text(wanted.Properties()))
    return Answer()


def _text(text: bytes | None) -> str:
    return (text or b"").decode()


def alter_schema(cluster: Cluster, transaction: Transaction, request: Request) -> Answer:
    """Rename a schema, or give it other properties."""
    wanted = AlterSchemaRequest.AlterSchemaRequest.GetRootAs(request.body)
    new_name = request.parameters.get("tabular-new-schema-name", "")
    properties = _text(wanted.Properties())
    cluster.catalogue.alter_schema(transaction, request.bucket, request.schema, new_name, properties)
    return Answer()


def drop_schema(cluster: Cluster, transaction: Transaction, request: Request) -> Answer:
    """Drop an empty schema."""
    cluster.catalogue.drop_schema(transaction, request.bucket, request.schema)
    return Answer()


# Tables and columns


def create_table(cluster: Cluster, transaction: Transaction, request: Request) -> Answer:
    """Create a table."""
    columns = pa.ipc.read_schema(pa.py_buffer(request.body))
    unknown = [name for name in columns.metadata or {} if name.startswith(b"VAST:table:partition-key")]
    if unknown or request.headers.get("tabular-vector-index-column"):
        raise NotImplementedHere("there are no partitions and no vector indexes")
    with _older_errors(cluster):
        cluster.catalogue.create_table(transaction, request.table, columns, sorting=_sorting(cluster, request))
    return Answer()


@contextmanager
def _older_errors(cluster: Cluster) -> Iterator[None]:
    """Answer for a bad sorting key as clusters before 5.5 do."""
    try:
        yield
    except BadRequest as error:
        if cluster.version >= (5, 5) or error.code != BadRequest.code:
            raise
        raise InternalError("We encountered an internal error") from error


def alter_table(cluster: Cluster, transaction: Transaction, request: Request) -> Answer:
    """Rename a table, sort it, or give it other properties."""
    table = cluster.table(transaction, request)
    wanted = AlterTableRequest.AlterTableRequest.GetRootAs(request.body)
    if new_path := request.parameters.get("tabular-new-table-name"):
        cluster.catalogue.rename_table(transaction, request.bucket, table, new_path)
    if sorting := _sorting(cluster, request):
        with _older_errors(cluster):
            cluster.catalogue.sort_table(transaction, table, sorting)
    if properties := _text(wanted.Properties()):
        cluster.catalogue.set_properties(transaction, table, properties)
    return Answer()


def drop_table(cluster: Cluster, transaction: Transaction, request: Request) -> Answer:
    """Drop a table."""
    cluster.catalogue.drop_table(transaction, cluster.table(transaction, request))
    return Answer()


def table_stats(cluster: Cluster, transaction: Transaction, request: Request) -> Answer:
    """Say how large a table is."""
    table = cluster.table(transaction, request)
    rows = cluster.rows.count(transaction, table)
    return answers.table_stats(table, rows=rows, size=size_in_bytes(table, rows), address="127.0.0.1")


def add_columns(cluster: Cluster, transaction: Transaction, request: Request) -> Answer:
    """Add columns to a table."""
    columns = pa.ipc.read_schema(pa.py_buffer(request.body))
    cluster.catalogue.add_columns(transaction, cluster.table(transaction, request), columns)
    return Answer()


def rename_column(cluster: Cluster, transaction: Transaction, request: Request) -> Answer:
    """Rename a column; other things that VAST lets one alter are passed over."""
    if new_name := request.parameters.get("tabular-new-column-name"):
        table = cluster.table(transaction, request)
        cluster.catalogue.rename_column(transaction, table, request.parameters["tabular-column-name"], new_name)
    return Answer()


def drop_columns(cluster: Cluster, transaction: Transaction, request: Request) -> Answer:
    """Drop columns of a table."""
    columns = pa.ipc.read_schema(pa.py_buffer(request.body))
    cluster.catalogue.drop_columns(transaction, cluster.table(transaction, request), columns.names)
    return Answer()


# Projections


def create_projection(cluster: Cluster, transaction: Transaction, request: Request) -> Answer:
    """Create a projection of a table."""
    wanted = CreateProjectionRequest.CreateProjectionRequest.GetRootAs(request.body)
    columns = [wanted.Columns(number) for number in range(wanted.ColumnsLength())]
    sorting = [_text(one.Name()) for one in columns if one.Type() == ColumnType.ColumnType.Sorted]
    unsorted = [_text(one.Name()) for one in columns if one.Type() != ColumnType.ColumnType.Sorted]
    table = cluster.table(transaction, request)
    cluster.catalogue.create_projection(transaction, table, request.parameters["name"], sorting, unsorted)
    return Answer()


def alter_projection(cluster: Cluster, transaction: Transaction, request: Request) -> Answer:
    """Rename a projection, or give it other properties."""
    wanted = AlterProjectionTableRequest.AlterProjectionTableRequest.GetRootAs(request.body)
    new_name, properties = _text(wanted.NewName()), _text(wanted.Properties())
    table = cluster.table(transaction, request)
    cluster.catalogue.alter_projection(transaction, table, request.parameters["name"], new_name, properties)
    return Answer()


def drop_projection(cluster: Cluster, transaction: Transaction, request: Request) -> Answer:
    """Drop a projection."""
    table = cluster.table(transaction, request)
    cluster.catalogue.drop_projection(transaction, table, request.parameters["name"])
    return Answer()


def projection_stats(cluster: Cluster, transaction: Transaction, request: Request) -> Answer:
    """Say how large a projection is."""
    table = cluster.table(transaction, request)
    cluster.catalogue.projection(transaction, table, request.parameters["name"])
    rows = cluster.rows.count(transaction, table)
    return answers.projection_stats(rows=rows, size=size_in_bytes(table, rows))


# Rows


def _batch(request: Request) -> pa.RecordBatch:
    return pa.ipc.open_stream(request.body).read_next_batch()


def insert(cluster: Cluster, transaction: Transaction, request: Request) -> Answer:
    """Insert rows; the answer is their ids."""
    table = cluster.table(transaction, request)
    batch = _batch(request)
    cluster.counting.rows_received("insert", batch.num_rows)
    row_ids = pa.array(cluster.rows.insert(transaction, table, batch)).cast(table.row_id.field.type)
    return Answer(body=answers.batch(pa.record_batch([row_ids], names=[table.row_id.name])))


def update(cluster: Cluster, transaction: Transaction, request: Request) -> Answer:
    """Update rows by their ids."""
    batch = _batch(request)
    cluster.counting.rows_received("update", batch.num_rows)
    cluster.rows.update(transaction, cluster.table(transaction, request), batch)
    return Answer()


def delete(cluster: Cluster, transaction: Transaction, request: Request) -> Answer:
    """Delete rows by their ids."""
    batch = _batch(request)
    cluster.counting.rows_received("delete", batch.num_rows)
    cluster.rows.delete(transaction, cluster.table(transaction, request), batch)
    return Answer()


def query(cluster: Cluster, request: Request) -> Answer:
    """Send rows, page by page, while they are read."""
    if (priority := request.headers.get("tabular-schedule-id")) is not None and int(priority) < 0:
        raise BadRequest(f"priority {priority} is negative")
    if request.txid == 0:
        raise BadRequest("rows are read in a transaction")
    with cluster.transactions.use(request.txid) as transaction:
        table = cluster.table(transaction, request)
        wanted = decode(request.body, table)
        number, splits, row_groups = (int(text) for text in request.headers["tabular-split"].split(","))
        if number == _SPLIT_ESTIMATE:
            return _row_group_estimate(cluster, transaction, table)
        pages = cluster.rows.pages(
            transaction,
            table,
            wanted,
            Split(number, splits, int(request.headers["tabular-num-of-subsplits"]), row_groups),
            starts=_starts(request),
            limit=int(request.headers.get("tabular-limit-rows") or _PAGE),
            projection=_projection(cluster, transaction, request, table, wanted),
        )
    return Answer(body=answers.rows(wanted, _one_by_one(cluster, request.txid, pages)))


def _starts(request: Request) -> dict[int, int]:
    """Return where the sub-splits go on that are not at their end."""
    pairs = (text.split(",") for text in request.numbered("tabular-start-row-id-"))
    return {int(sub_split): int(row_id) for sub_split, row_id in pairs if int(row_id) != END}


def _one_by_one(cluster: Cluster, txid: int, pages: Iterator[Page]) -> Iterator[Page]:
    """Read each page when it can be sent.

    The transaction is left to others in between: a client may write in it while it reads.
    """
    while True:
        with cluster.transactions.use(txid):
            page = next(pages, None)
        if page is None:
            return
        cluster.counting.rows_sent("query", page.rows.num_rows)
        yield page


def _projection(
    cluster: Cluster, transaction: Transaction, request: Request, table: Table, wanted: Query
) -> Projection | None:
    """Return the projection that a client names, or one that has the columns and is sorted by what is asked for."""
    if name := request.parameters.get("name"):
        return cluster.catalogue.projection(transaction, table, name)
    if request.headers.get("tabular-enable-sorted-projections") != "True":
        return None
    needed = wanted.filtered.union(column.name for column in wanted.columns)
    for one in cluster.catalogue.projections(transaction, table):
        if wanted.filtered.intersection(one.sorted[:1]) and needed.issubset((*one.sorted, *one.unsorted)):
            return one
    return None


def _row_group_estimate(cluster: Cluster, transaction: Transaction, table: Table) -> Answer:
    """Answer with as many rows as there are row groups to read: all of them."""
    groups = -(-cluster.rows.count(transaction, table) // ROW_GROUP)
    return Answer(body=answers.estimate(groups))


def _in_transaction(work: InTransaction) -> Operation:
    def run(cluster: Cluster, request: Request) -> Answer:
        with cluster.transactions.use(request.txid) as transaction:
            return work(cluster, transaction, request)

    return run


ROUTES: Mapping[tuple[str, str], tuple[str, Operation]] = {
    ("GET", "transaction"): ("get_transaction", get_transaction),
    ("POST", "transaction"): ("begin", begin),
    ("PUT", "transaction"): ("commit", commit),
    ("DELETE", "transaction"): ("rollback", roll_back),
    ("HEAD", ""): ("head_bucket", head_bucket),
    ("GET", ""): ("list_snapshots", list_snapshots),
    ("GET", "data"): ("query", query),
    **{
        route: (name, _in_transaction(work))
        for route, name, work in (
            (("GET", "schema"), "list_schemas", list_schemas),
            (("POST", "schema"), "create_schema", create_schema),
            (("PUT", "schema"), "alter_schema", alter_schema),
            (("DELETE", "schema"), "drop_schema", drop_schema),
            (("GET", "table"), "list_tables", list_tables),
            (("POST", "table"), "create_table", create_table),
            (("PUT", "table"), "alter_table", alter_table),
            (("DELETE", "table"), "drop_table", drop_table),
            (("GET", "stats"), "table_stats", table_stats),
            (("GET", "column"), "list_columns", list_columns),
            (("GET", "sorted-columns"), "list_sorted_columns", list_sorted_columns),
            (("POST", "column"), "add_columns", add_columns),
            (("PUT", "column"), "rename_column", rename_column),
            (("DELETE", "column"), "drop_columns", drop_columns),
            (("GET", "projection"), "list_projections", list_projections),
            (("GET", "projection-columns"), "list_projection_columns", list_projection_columns),
            (("GET", "projection-stats"), "projection_stats", projection_stats),
            (("POST", "projection"), "create_projection", create_projection),
            (("PUT", "projection"), "alter_projection", alter_projection),
            (("DELETE", "projection"), "drop_projection", drop_projection),
            (("POST", "rows"), "insert", insert),
            (("PUT", "rows"), "update", update),
            (("DELETE", "rows"), "delete", delete),
        )
    },
}
