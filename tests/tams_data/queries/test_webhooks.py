"""Lists of webhooks."""

from __future__ import annotations

from typing import Any

import pytest

from tams_data.queries import webhooks
from tams_data.schema import WEBHOOKS, tag_term
from tests.tams_data.builders import insert, webhook_row

URLS = {"a": "https://b.example", "b": "https://a.example", "c": "http://z.example", "d": "https://a.example"}


@pytest.fixture
def listed(database):
    with database.transaction() as transaction:
        rows = (webhook_row(id=name, url=url, tags={"of": name, "x": "y"}) for name, url in URLS.items())
        insert(transaction, WEBHOOKS, *rows, webhook_row(id="e", url="https://c.example"))
    return database


def ids(reader, values: dict[str, Any] | None = None, /, limit: int = 100, **options: Any) -> str:
    return "".join(reader.read(webhooks.page, values or {}, limit=limit, **options)["id"].to_pylist())


@pytest.mark.parametrize(("reverse", "expected"), [(False, "cbdae"), (True, "eadbc")])
def test_a_list_is_by_url_and_ties_by_id_in_pages_as_well(listed, reverse, expected):
    urls = {**URLS, "e": "https://c.example"}
    assert ids(listed, reverse=reverse) == expected
    walked = page = ids(listed, limit=2, reverse=reverse)
    while page := ids(listed, {"after": (urls[page[-1]], page[-1])}, limit=2, reverse=reverse):
        walked += page
    assert walked == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param({"any_tags": ((tag_term("of", "a"), tag_term("of", "c")),)}, "ca", id="one-of-several"),
        pytest.param({"any_tags": ((tag_term("of"),), (tag_term("of", "d"),))}, "d", id="all-of-several"),
        pytest.param({"no_tags": [tag_term("x")]}, "e", id="without"),
    ],
)
def test_a_list_can_be_filtered_by_tags(listed, values, expected):
    assert ids(listed, values) == expected


def test_a_webhook_is_found_by_its_id(database):
    rows = WEBHOOKS.rows([webhook_row(id=name) for name in "ab"]).to_pylist()
    with database.transaction() as transaction:
        insert(transaction, WEBHOOKS, *rows)
    assert database.read(webhooks.by_id, {"webhook_id": "b"}).to_pylist() == [rows[1]]
