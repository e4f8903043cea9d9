"""`tams ingest`, `tams export` and `tams demo`, as a person runs them."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from api.cli import main
from tests.tams_data.essence.making import Recipe, make, pictures


@pytest.fixture
def run(service_url):
    """Runs a command against the service."""

    def run(*arguments):
        return CliRunner().invoke(main, [str(one) for one in arguments], env={"TAMS_URL": service_url})

    return run


def test_a_file_goes_in_and_comes_out(run, tmp_path):
    path = make(tmp_path / "clip.mp4", Recipe(seconds=3))
    done = run("ingest", path, "--segment-duration", "1", "--start", "10:0", "--label", "Clip", "--tag", "a=b")
    assert done.exit_code == 0, done.output
    *flow_ids, _ = done.stdout.split()
    assert len(flow_ids) == 2
    assert "[10:0_13:" in done.stderr
    assert "6 objects uploaded" in done.stderr
    again = run("ingest", path, "--segment-duration", "1", "--start", "10:0", "--label", "Clip", "--tag", "a=b")
    assert "0 objects uploaded (0 kB)" in again.stderr
    assert "6 were there already" in again.stderr
    output = tmp_path / "out.mp4"
    exported = run("export", "Clip", "--timerange", "[11:0_12:0)", "-o", output)
    assert exported.exit_code == 0, exported.output
    assert str(output) in exported.stdout
    assert [digest for _, digest in pictures(output)] == [digest for _, digest in pictures(path)][25:50]


def test_now_is_the_time_of_day(run, tmp_path):
    done = run("ingest", make(tmp_path / "clip.mp4", Recipe(seconds=1)), "--start", "now")
    assert done.exit_code == 0, done.output
    assert "Z to 20" in done.stderr, "a time of day, which UTC tells"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        pytest.param(["ingest", "missing.mp4"], 1, "tams: missing.mp4: No such file", id="no file"),
        pytest.param(["export", "0" * 36, "-o", "x.gif"], 1, "tams: ", id="no flow"),
        pytest.param(["ingest", "x", "--start", "1.5"], 2, "'1.5' is not a TAMS timestamp", id="start"),
        pytest.param(["ingest", "x", "--segment-duration", "0"], 2, "not more than zero", id="zero"),
        pytest.param(["ingest", "x", "--segment-duration", "1/0"], 2, "not a number of seconds", id="one by zero"),
        pytest.param(["ingest", "x", "--tag", "=b"], 2, "'=b' is not name=value", id="tag"),
        pytest.param(["export", "x", "--timerange", "[2:0_1:0)", "-o", "x.mp4"], 2, "ends before it", id="range"),
        pytest.param(["export", "x"], 2, "Missing option", id="no output"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(run, arguments, code, message):
    done = run(*arguments)
    assert done.exit_code == code
    assert message in done.stderr
    assert "Traceback" not in done.output


def test_a_service_that_is_not_there_is_told(run, tmp_path):
    path = make(tmp_path / "clip.mp4", Recipe(seconds=1))
    done = run("ingest", path, "--url", "http://127.0.0.1:9")
    assert done.exit_code == 1
    assert "tams: GET http://127.0.0.1:9/flows/" in done.stderr
    assert "no answer" in done.stderr
