"""`tams sources`, `tams flows` and `tams segments` against a running service, as a person and as a pipe see them."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios

import pytest
from click.testing import CliRunner

from api.cli import main
from tams_data.client import TamsClient
from tests.api.builders import audio_flow, multi_flow, video_flow
from tests.api.process import ROOT

START = 1_767_261_637


@pytest.fixture(scope="module")
def flows(service_url):
    """Some flows by short names, put into the service once."""
    video = video_flow(id="aaaa1111-0000-4000-8000-000000000000", label="Camera A", tags={"day": ["mon", "tue"]})
    twin = video_flow(id="aaaa2222-0000-4000-8000-000000000000", label="Twin", status="ingesting", avg_bit_rate=5000)
    other = audio_flow(id="bbbb0000-0000-4000-8000-000000000000", label="Twin", description="line\nend [bold]x[/bold]")
    multi = multi_flow(label="cccc", tags={"day": "wed"}, flow_collection=[{"id": video["id"], "role": "video"}])
    with TamsClient(service_url) as client:
        for flow in (video, twin, other, multi):
            client.put_flow(flow)
        objects = ["one", "two", "three"]
        client.allocate(video["id"], objects)
        ranges = [
            f"[{START}:0_{START + 4}:0)",
            f"[{START + 4}:0_{START + 8}:0)",
            f"[{START + 9}:0_{START + 9}:40000000)",
        ]
        pairs = zip(objects, ranges, strict=True)
        client.register(video["id"], [{"object_id": one, "timerange": timerange} for one, timerange in pairs])
    return {"video": video, "twin": twin, "other": other, "multi": multi}


@pytest.fixture
def run(service_url, flows):
    """Runs a command against the service; not on a terminal."""

    def run(*arguments):
        return CliRunner().invoke(main, list(arguments), env={"TAMS_URL": service_url, "COLUMNS": "40"})

    return run


def lines(done):
    """What a command that went well printed."""
    assert done.exit_code == 0, done.output
    return done.stdout.splitlines()


def first_words(done):
    """The first column of a table, without its header."""
    return [line.split()[0] for line in lines(done)[1:]]


# --- lists -----------------------------------------------------------------------------------------------------------


def test_a_list_is_a_table_of_what_a_person_looks_for(run, flows):
    table = lines(run("flows", "list", "--label", "Camera A"))
    assert table == [
        "ID                                    LABEL     FORMAT  CODEC       ESSENCE         STATUS",
        "aaaa1111-0000-4000-8000-000000000000  Camera A  video   video/h264  1920x1080 25/s",
    ]


def test_a_pipe_gets_no_styles_no_cuts_and_no_blanks_at_the_end(run, flows):
    for line in lines(run("flows", "list", "-o", "wide")):
        assert "\x1b" not in line
        assert "…" not in line
        assert line == line.rstrip()


def test_what_others_wrote_moves_no_cursor_and_is_no_markup(run, flows):
    (line,) = [line for line in lines(run("flows", "list", "-o", "wide")) if line.startswith("bbbb")]
    assert "line end [bold]x[/bold]" in line


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param([], "video twin other multi", id="all"),
        pytest.param(["--format", "audio"], "other", id="format"),
        pytest.param(["--label", "Twin"], "twin other", id="label"),
        pytest.param(["--codec", "audio/aac"], "other", id="codec"),
        pytest.param(["--status", "ingesting"], "twin", id="status"),
        pytest.param(["--tag", "day=tue"], "video", id="tag"),
        pytest.param(["--tag", "day=tue", "--tag", "day=wed"], "video multi", id="one of two values"),
        pytest.param(["--timerange", f"[{START}:0_{START}:1)"], "video", id="timerange"),
        pytest.param(["--timerange", "()", "--format", "video"], "twin", id="without content"),
    ],
)
def test_filters_are_options(run, flows, arguments, expected):
    wanted = {flows[name]["id"] for name in expected.split()}
    assert set(first_words(run("flows", "list", *arguments))) == wanted


def test_flows_of_a_source_are_listed(run, flows):
    source_id = flows["twin"]["source_id"]
    assert first_words(run("flows", "list", "--source", source_id[:13])) == [flows["twin"]["id"]]
    assert first_words(run("sources", "list", "--label", "Camera A")) == [flows["video"]["source_id"]]


def test_a_list_that_is_cut_off_says_so(run, flows):
    done = run("flows", "list", "--limit", "3")
    assert len(first_words(done)) == 3
    assert done.stderr == "tams: there are more than these 3; see --limit\n"
    assert run("flows", "list", "--limit", "4").stderr == ""


def test_json_is_what_the_service_says(run, flows, service_url):
    with TamsClient(service_url) as client:
        assert json.loads(run("flows", "list", "-o", "json").stdout) == list(client.flows())
        assert json.loads(run("sources", "show", "cccc", "-o", "json").stdout) == client.find_source(
            flows["multi"]["source_id"]
        )


def test_segments_are_listed_with_the_time_of_day(run, flows):
    assert lines(run("segments", "list", "Camera A", "--timerange", f"[{START + 5}:0_")) == [
        "TIMERANGE                           START                           DURATION  OBJECT",
        f"[{START + 4}:0_{START + 8}:0)         2026-01-01T10:00:04.000000000Z  4 s       two",
        f"[{START + 9}:0_{START + 9}:40000000)  2026-01-01T10:00:09.000000000Z  0.04 s    three",
    ]
    assert [line.split()[-1] for line in lines(run("segments", "list", "Camera A", "--object", "one"))[1:]] == ["one"]


# --- which one -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["aaaa1111-0000-4000-8000-000000000000", "aaaa1", "Camera A"])
def test_a_flow_is_shown_by_id_by_its_beginning_or_by_label(run, flows, given):
    shown = dict(line.split(maxsplit=1) for line in lines(run("flows", "show", given)) if "(UTC)" not in line)
    assert shown["id"] == flows["video"]["id"]
    assert shown["tags.day"] == "mon,tue"
    assert shown["essence_parameters.frame_rate.numerator"] == "25"
    assert shown["timerange"] == f"[{START}:0_{START + 9}:40000000)"


def test_the_time_of_day_is_shown(run, flows):
    shown = lines(run("flows", "show", "Camera A"))
    assert [line.split()[-1] for line in shown if "(UTC)" in line] == [
        "2026-01-01T10:00:00.000000000Z",
        "2026-01-01T10:00:09.040000000Z",
    ]


def test_what_is_collected_is_shown(run, flows):
    shown = dict(line.split(maxsplit=1) for line in lines(run("flows", "show", "cccc")))
    assert shown["flow_collection.0.id"] == flows["video"]["id"]
    assert shown["flow_collection.0.role"] == "video"


@pytest.mark.parametrize("which", [f"{START + 5}:0", "two"])
def test_a_segment_is_shown_by_a_time_or_by_its_object(run, flows, which):
    shown = lines(run("segments", "show", "aaaa1", which))
    assert shown[0].split() == ["object_id", "two"]
    assert any(line.startswith("get_urls.0.url") for line in shown)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        pytest.param(
            ["flows", "show", "aaaa"],
            1,
            r"tams: 'aaaa' is 2 flows: aaaa2222-0000-4000-8000-000000000000 (Twin), "
            "aaaa1111-0000-4000-8000-000000000000 (Camera A)",
            id="two beginnings",
        ),
        pytest.param(["flows", "show", "Twin"], 1, "tams: 'Twin' is 2 flows: ", id="two labels"),
        pytest.param(["flows", "show", "aaa"], 1, "tams: no flow 'aaa' at http", id="too short a beginning"),
        pytest.param(["sources", "show", "nobody"], 1, "tams: no source 'nobody' at http", id="no source"),
        pytest.param(["segments", "list", "nobody"], 1, "tams: no flow 'nobody' at http", id="no flow"),
        pytest.param(["segments", "show", "aaaa1", "0:0"], 1, "tams: flow 'aaaa1' has no segment at 0:0", id="no time"),
        pytest.param(
            ["segments", "show", "aaaa1", "x"],
            1,
            "tams: flow 'aaaa1' has no segment that uses object x",
            id="no object",
        ),
        pytest.param(["flows", "list", "--codec", "x"], 1, "400 Bad Request: codec: ", id="the service refuses"),
        pytest.param(["flows", "list", "--format", "x"], 2, "'x' is not one of", id="format"),
        pytest.param(["flows", "list", "--tag", "x"], 2, "'x' is not name=value", id="tag"),
        pytest.param(["flows", "list", "--limit", "0"], 2, "0 is not in the range", id="limit"),
        pytest.param(["flows", "list", "--url", "http://127.0.0.1:9"], 1, "no answer", id="no service"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(run, arguments, code, message):
    done = run(*arguments)
    assert (done.exit_code, done.stdout) == (code, "")
    assert message in done.stderr
    assert code == 2 or done.stderr.count("\n") == 1


# --- terminals -------------------------------------------------------------------------------------------------------


def on_a_terminal(service_url, columns, *arguments):
    """What a command writes on a terminal of so many columns."""
    outer, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-c", "from api.cli import main; main()", *arguments],
        cwd=ROOT,
        stdout=inner,
        env={**kept, "TAMS_URL": service_url, "TERM": "xterm"},
    )
    os.close(inner)
    written = b""
    with os.fdopen(outer, "rb", buffering=0) as terminal:
        try:
            while block := terminal.read(1 << 16):
                written += block
        except OSError:  # how Linux tells the end of a terminal
            pass
    assert process.wait(30) == 0
    return written.decode().splitlines()


def test_a_table_fits_the_terminal(service_url, flows):
    """With the ids whole: they are what a person copies."""
    written = on_a_terminal(service_url, 80, "flows", "list", "-o", "wide")
    assert "\x1b[1m" in written[0], "the header is bold"
    rows = written[1:]
    assert len(rows) == 4
    assert all(len(row) <= 80 for row in rows)
    assert {row.split()[0] for row in rows} == {flow["id"] for flow in flows.values()}
    assert any("…" in row for row in rows)
