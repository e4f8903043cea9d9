"""What the Python reference shows says what it is: which modules are public, and a docstring for each name in them."""

from __future__ import annotations

import builtins
import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ibis.common import exceptions

from docs.generated.docstrings import readable
from docs.generated.reference import MODULES
from tams_data import errors

SHOWN = [module for of_subject in MODULES.values() for module in of_subject]


def public(module: str) -> Iterator[tuple[str, Any]]:
    """The classes and functions of a module that the reference shows, with those of the classes."""
    namespace = vars(importlib.import_module(module))
    for name, value in namespace.items():
        if not name.startswith("_") and getattr(value, "__module__", None) == module:
            if inspect.isclass(value):
                yield name, value
                yield from _members(name, value)
            elif inspect.isroutine(value):
                yield name, value


def _members(owner: str, of: type) -> Iterator[tuple[str, Any]]:
    for name, value in vars(of).items():
        given = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        # Of compilers, Ibis puts methods of its own there as well.
        if not name.startswith("_") and inspect.isroutine(given) and given.__module__ == of.__module__:
            yield f"{owner}.{name}", given


def errors_named(what: Callable[..., Any]) -> list[str]:
    """The errors that a docstring says are raised."""
    return [name for line in re.findall(r":raise ([^:]+):", what.__doc__ or "") for name in re.split(r",\s*", line)]


@pytest.mark.parametrize("module", SHOWN)
def test_a_module_and_what_it_shows_have_docstrings(module: str):
    assert importlib.import_module(module).__doc__
    assert [name for name, value in public(module) if not (getattr(value, "__doc__", None) or "").strip()] == []


@pytest.mark.parametrize("module", SHOWN)
def test_the_errors_that_are_said_to_be_raised_exist(module: str):
    known = vars(errors) | vars(exceptions) | vars(builtins) | vars(importlib.import_module(module))
    named = {error for _, value in public(module) for error in errors_named(value)}
    assert named - known.keys() == set()


@pytest.mark.parametrize(
    ("docstring", "shown"),
    [
        pytest.param("One.\n\n>>> 1\n1\n\nTwo.", "One.\n\n```pycon\n>>> 1\n1\n```\n\nTwo.", id="an example"),
        pytest.param("a    one\nb    two\n", "```text\na    one\nb    two\n```\n", id="columns"),
        pytest.param("One line.\nAnother.", "One line.\nAnother.", id="prose"),
    ],
)
def test_examples_and_columns_become_code(docstring: str, shown: str):
    assert readable(docstring) == shown
