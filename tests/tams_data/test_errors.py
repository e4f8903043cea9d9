"""Errors are caught in one net, say what was wrong with which value, and are drawn where they are defined."""

from __future__ import annotations

import inspect
import re

import pytest

from tams_data import errors
from tams_data.errors import InvalidInput, NotFound, RequestFailed, TamsDataError

ERRORS = [one for one in vars(errors).values() if inspect.isclass(one) and issubclass(one, Exception)]


@pytest.mark.parametrize("error", ERRORS)
def test_every_error_is_caught_by_the_root(error):
    with pytest.raises(TamsDataError, match=r"^what happened$"):
        raise error("what happened")


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        pytest.param(error, builtin, id=error.__name__)
        for base, builtin in [(InvalidInput, ValueError), (NotFound, LookupError)]
        for error in ERRORS
        if issubclass(error, base)
    ],
)
def test_errors_about_values_and_names_are_the_builtin_ones_as_well(error, builtin):
    assert issubclass(error, builtin)


@pytest.mark.parametrize("error", [one for one in ERRORS if issubclass(one, InvalidInput)])
def test_an_invalid_value_is_carried_with_the_name_of_its_field(error):
    raised = error("limit is below 1: 0", field="limit", value=0)
    assert (str(raised), raised.field, raised.value) == ("limit is below 1: 0", "limit", 0)


def test_a_failed_request_carries_the_status_it_was_answered_with():
    assert RequestFailed("no flow x", status=404).status == 404
    assert RequestFailed("no answer").status is None


def test_the_tree_that_is_drawn_is_the_tree_there_is():
    """A reader picks the right `except` by the drawing."""
    path, drawn = {}, set()
    for line in errors.__doc__.splitlines():
        if found := re.match(r"([ │├└─]*)([A-Z]\w+)(?: |$)", line):
            depth = len(found[1])
            if depth >= 4:
                path = {d: name for d, name in path.items() if d < depth}
                drawn.add((found[2], path[max(path)] if path else None))
                path[depth] = found[2]
    roots = {TamsDataError: None}
    assert drawn == {(one.__name__, roots.get(one, one.__bases__[0].__name__)) for one in ERRORS}
