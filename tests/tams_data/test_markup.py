"""HTML of values: whatever is in them, it is text."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from tams_data.markup import Heading, table

# XML, as which it is read here, has no way to say control characters
texts = st.text(st.characters(codec="utf-8", categories=("L", "M", "N", "P", "S", "Zs")))


@given(texts, texts, texts)
def test_a_table_has_the_texts_that_it_is_given(heading: str, title: str, cell: str) -> None:
    found = ET.fromstring(table([Heading(heading, title)], [[cell]], caption=title))
    assert "".join(found.find(".//th").itertext()) == heading
    assert found.find(".//th").get("title", "") == title
    assert "".join(found.find(".//td").itertext()) == cell


def test_numbers_stand_on_the_right_and_all_else_on_the_left() -> None:
    found = ET.fromstring(table([Heading("text"), Heading("n", number=True)], [["a", 1]]))
    assert [one.get("style") for one in found.iter("td")] == ["text-align:left", "text-align:right"]
