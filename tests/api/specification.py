"""The TAMS specification's own checker, where it lies beside the project."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SHARED = Path(__file__).parents[3] / "shared"
EXAMPLES = SHARED / "tams-spec" / "examples"

_MODULE = SHARED / "conformance" / "tams_spec.py"

needs_specification = pytest.mark.skipif(
    not _MODULE.exists(), reason="the TAMS specification is not in ../shared beside the project"
)


@cache
def module() -> ModuleType | None:
    """The module of the checker; None where it is not there."""
    if not _MODULE.exists():
        return None
    found = importlib.util.spec_from_file_location("tams_spec", _MODULE)
    assert found is not None
    assert found.loader is not None
    loaded = importlib.util.module_from_spec(found)
    sys.modules["tams_spec"] = loaded  # dataclasses look their module up
    found.loader.exec_module(loaded)
    return loaded


@cache
def load() -> Any:
    """The specification, to check answers by; None where it is not there."""
    checker = module()
    return None if checker is None else checker.Specification.load()


def check_event(body: Any) -> None:
    """Raise unless the body of an event is as the specification's `webhooks` have it, where it is there."""
    spec, checker = load(), module()
    if spec is None or checker is None:
        return
    post = spec.document["webhooks"][body["event_type"]]["post"]
    schema = spec._absolute(post["requestBody"]["content"]["application/json"]["schema"])
    validator = checker.Draft202012Validator(schema, registry=spec.registry, format_checker=checker.FormatChecker())
    assert [error.message for error in validator.iter_errors(body)] == []
