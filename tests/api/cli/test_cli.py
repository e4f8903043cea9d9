"""The command line as a whole."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from importlib import import_module

import click
import pytest

from api import cli

MODULES = sorted(set(cli._MODULES.values()))


def test_commands_that_serve_nothing_do_not_load_what_does():
    others = [f"api.cli.{module}" for module in MODULES if module != "serve"]
    assert loaded(*others) & {"flask", "granian", "panel", "vastdb"} == set()


def test_what_looks_after_the_worker_that_serves_loads_neither_the_application_nor_an_engine():
    assert loaded("api.cli.serve") & {"api.app", "av", "duckdb", "ibis", "panel", "vastdb"} == set()


def test_no_command_is_loaded_before_it_is_given():
    assert {f"api.cli.{module}" for module in MODULES} & loaded("api.cli") == set()


@pytest.mark.parametrize("module", MODULES)
def test_every_command_of_a_module_is_one_of_tams(module: str):
    names = [one.name for one in import_module(f"api.cli.{module}").COMMANDS]
    assert Counter(names) == Counter(name for name, where in cli._MODULES.items() if where == module)
    for name in names:
        command = cli.main.get_command(click.Context(cli.main), name)
        assert command is not None
        assert command.name == name


def test_a_command_that_there_is_not_is_told():
    assert cli.main.get_command(click.Context(cli.main), "serv") is None


def loaded(*modules: str) -> set[str]:
    """The modules that are there in a process that has imported these."""
    code = f"import json, sys, {', '.join(modules)}; print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))
