"""Object ids in URLs, and back."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tams_data.errors import InvalidInput, ObjectNotFound
from tams_data.media.tokens import object_id_of, token

OBJECT_IDS = st.text(min_size=1, max_size=300) | st.from_regex(r"[~A-Za-z0-9._-]{1,210}", fullmatch=True)


@given(OBJECT_IDS)
def test_an_id_comes_back_from_its_token(object_id: str) -> None:
    assert object_id_of(token(object_id)) == object_id


@given(OBJECT_IDS)
def test_a_token_needs_no_escaping_in_a_path(object_id: str) -> None:
    assert re.fullmatch(r"~?[A-Za-z0-9._-]+", token(object_id))
    assert token(object_id) not in {".", ".."}


@given(st.text(max_size=40) | st.from_regex(r"~[A-Za-z0-9_=-]{0,12}", fullmatch=True))
def test_an_id_has_no_second_token(text: str) -> None:
    try:
        object_id = object_id_of(text)
    except ObjectNotFound:
        return
    assert token(object_id) == text


@pytest.mark.parametrize(
    ("object_id", "expected"),
    [
        pytest.param("846023d3-612d-5014-bc47-88f6eb2d04bb", "846023d3-612d-5014-bc47-88f6eb2d04bb", id="uuid"),
        pytest.param("a" * 200, "a" * 200, id="longest-plain"),
        pytest.param("...", "...", id="three-dots-are-a-name"),
        pytest.param(".", "~Lg", id="this-folder"),
        pytest.param("..", "~Li4", id="the-folder-above"),
        pytest.param("~tilde", "~fnRpbGRl", id="tilde"),
        pytest.param("a/b", "~YS9i", id="slash"),
        pytest.param("a\n", "~YQo", id="line-end"),
        pytest.param("é", "~w6k", id="not-ascii"),
        pytest.param("??>", "~Pz8-", id="alphabet-of-urls"),
    ],
)
def test_the_token_of(object_id: str, expected: str) -> None:
    assert token(object_id) == expected


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("~", id="empty-id"),
        pytest.param("~YQ", id="id-that-is-plain"),
        pytest.param("~Li4=", id="padded"),
        pytest.param("~Li5", id="spare-bits"),
        pytest.param("~Li4*", id="stray-character"),
        pytest.param("~A", id="no-whole-byte"),
        pytest.param("~_w", id="not-utf-8"),
        pytest.param("~é", id="not-ascii"),
        pytest.param("a b", id="space"),
        pytest.param("a" * 201, id="too-long-for-plain"),
        pytest.param("..", id="the-folder-above"),
    ],
)
def test_other_tokens_name_no_object(text: str) -> None:
    with pytest.raises(ObjectNotFound, match=re.escape(repr(text))):
        object_id_of(text)


@pytest.mark.parametrize("object_id", ["", "\ud800"], ids=["empty", "lone-surrogate"])
def test_what_is_no_id_has_no_token(object_id: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        token(object_id)
    assert caught.value.field == "object_id"
