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
