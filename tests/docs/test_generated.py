"""What is generated says everything that there is, and nothing twice."""

from __future__ import annotations

import doctest
from types import ModuleType

import pytest

from api.errors import STATUS
from docs.generated import docstrings, markdown, rest_api, tables
from docs.generated.document import document
from docs.generated.hook import PARTS, pages
from tams_data import schema
from tams_data.queries.analytics import ANALYSES
from tams_data.queries.analytics.filters import NAMES
from tams_data.settings import Settings
from tests.docs.commands import SETTINGS
from tests.docs.pages import ROOT


@pytest.mark.parametrize("module", [docstrings, markdown, rest_api], ids=lambda one: one.__name__)
def test_the_examples_in_docstrings_hold(module: ModuleType):
    done = doctest.testmod(module)
    assert done.attempted
    assert done.failed == 0


@pytest.mark.parametrize("name", PARTS)
def test_a_part_that_is_generated_is_on_a_page(name: str):
    text = "".join(page.read_text() for page in (ROOT / "docs").glob("*.md"))
    assert f"<!-- generated: {name} -->" in text
    assert PARTS[name]()


def test_every_setting_has_a_row_with_its_description():
    rows = (tables.settings() + tables.vast_settings()).splitlines()
    assert {name for name in SETTINGS if not any(row.startswith(f"| `{name}` |") for row in rows)} == set()
    assert all(field.description for field in Settings.model_fields.values())


def test_every_column_of_every_table_is_described():
    text = tables.store_tables()
    for one in schema.ALL.values():
        assert f"## {one.name}\n" in text
        assert [column.name for column in one.columns if f"| {column.description}" not in text] == []


def test_every_analysis_has_its_columns_filters_and_parameters():
    text = tables.analyses_in_full()
    for one in ANALYSES.values():
        section = text.partition(f"## {one.name}\n")[2].partition("\n## ")[0]
        assert [name for name in (*one.columns, *one.parameters) if f"| `{name}` |" not in section] == []


def test_every_filter_of_analyses_has_the_parameter_that_stands_for_it():
    assert set(NAMES) == set(tables.FILTERS)


def test_every_error_has_a_status():
    assert len(tables.errors().splitlines()) > len(STATUS)


def test_every_operation_has_its_place_on_the_page_of_its_resource():
    made = pages()
    for one in rest_api.operations(document()):
        page = made[f"rest-api/{rest_api.file_of(one.resource)}"]
        section = page.partition(f"{{#{one.id}}}")[2].partition("\n## ")[0]
        assert [said["name"] for said in one.said.get("parameters", []) if f"`{said['name']}`" not in section] == []
        assert [status for status in one.said["responses"] if f"| {status} |" not in section] == []
        assert [scope for scope in one.scopes if f"`{scope}`" not in section] == []
