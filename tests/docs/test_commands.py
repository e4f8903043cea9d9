"""The checks of commands find what is wrong with them."""

from __future__ import annotations

import pytest

from tests.docs.commands import faults

RIGHT = [
    "tams ingest film.mp4 --start now  # a comment",
    "TAMS_PORT=8001 .venv/bin/tams serve --host 0.0.0.0",
    "tams access user ada --scope read",
    "tams segments list 'Camera A' --timerange '[0:0_1:0)' | tams jobs",
    "make run\nmake test TEST_FLAGS=-x",
    "curl -s 'http://localhost:8000/flows?tag.genre=news'",
    "curl -X DELETE http://localhost:8000/flows/x",
    "curl -sN 'http://localhost:8000/events?events=flows/segments_added' > log",
    "curl https://elsewhere.example/",
    "python -m tests.benchmarks reading",
    "pip install 'tams-data-service[otel]'",
]

WRONG = [
    ("tams ingest", "Missing argument 'MEDIA'"),
    ("tams ingest a.mp4 --begin now", "No such option"),
    ("tams ingets a.mp4", "No such command"),
    ("tams access token x --scope all", "Invalid value"),
    ("TAMS_PROT=1 tams serve", "no setting TAMS_PROT"),
    ("make runn", "no make runn"),
    ("curl http://localhost:8000/flow", "no GET /flow"),
    ("curl -X PATCH http://localhost:8000/flows", "no PATCH /flows"),
    ("curl 'http://localhost:8000/flows?lable=x'", "no parameter lable"),
    ("python -m tests.benchmrks", "no module"),
    ("pip install 'tams-data-service[oetl]'", "no extra"),
    ("tams jobs | rm -r .", "no rule checks the command 'rm'"),
]


@pytest.mark.parametrize("script", RIGHT)
def test_a_command_that_can_be_given_has_no_fault(script: str):
    assert faults(script) == []


@pytest.mark.parametrize(("script", "fault"), WRONG)
def test_a_command_that_cannot_be_given_has_one(script: str, fault: str):
    (found,) = faults(script)
    assert fault in found
