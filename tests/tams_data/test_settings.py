"""Settings come from the environment and `.env`, and one that cannot be used stops the start with its name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from tams_data.errors import InvalidSetting
from tams_data.settings import Settings, variables


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder without `.env` and an environment without `TAMS_*`."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith("TAMS_"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_described(name):
    assert Settings.model_fields[name].description


def test_without_any_variable_the_defaults_hold():
    settings = Settings.load()
    assert (settings.host, settings.port, settings.data_dir) == ("127.0.0.1", 8000, Path(".data"))


def test_a_variable_is_read(monkeypatch):
    monkeypatch.setenv("TAMS_PORT", "8001")
    assert Settings.load().port == 8001


def test_the_file_is_read_and_what_it_holds_for_others_is_passed_over(tmp_path):
    (tmp_path / ".env").write_text("TAMS_PORT=8002\nTAMS_UNKNOWN=1\nOTHER=2\n")
    assert Settings.load().port == 8002


def test_a_variable_comes_before_the_file_and_what_is_given_before_both(monkeypatch, tmp_path):
    (tmp_path / ".env").write_text("TAMS_PORT=8002\nTAMS_THREADS=7\nTAMS_HOST=0.0.0.0\n")
    monkeypatch.setenv("TAMS_PORT", "8001")
    monkeypatch.setenv("TAMS_THREADS", "8")
    settings = Settings.load(port=8003)
    assert (settings.port, settings.threads, settings.host) == (8003, 8, "0.0.0.0")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("PORT", "0", id="no-port"),
        pytest.param("PORT", "65536", id="above-all-ports"),
        pytest.param("PORT", "http", id="a-word-for-a-number"),
        pytest.param("PAGE_LIMIT", "0", id="pages-without-items"),
        pytest.param("URL_TIMEOUT", "29", id="below-the-least"),
        pytest.param("DEMO", "perhaps", id="neither-true-nor-false"),
        pytest.param("DATABASE_MEMORY", "lots", id="memory-in-words"),
        pytest.param("DATABASE_MEMORY", "512", id="memory-without-a-unit"),
        pytest.param("DATABASE_MEMORY", "-1GB", id="memory-below-none"),
        pytest.param("PUBLIC_URL", "tams.example", id="a-url-without-a-scheme"),
        pytest.param("PUBLIC_URL", "https://tams.example/a b", id="a-url-with-a-space"),
        pytest.param("CORS_ORIGINS", "a.example", id="an-origin-without-a-scheme"),
        pytest.param("CORS_ORIGINS", "https://a.example/", id="an-origin-with-a-path"),
        pytest.param("CORS_ORIGINS", "https://a.example, https://b.example", id="origins-with-a-space"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_its_variable(monkeypatch, name, value):
    monkeypatch.setenv(f"TAMS_{name}", value)
    with pytest.raises(InvalidSetting, match=f"^TAMS_{name}='{value}': "):
        Settings.load()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("DATABASE_MEMORY", value) for value in ("512MB", "2GiB", "1.5 gb")),
        *(("PUBLIC_URL", value) for value in ("https://tams.example", "http://[::1]:8000/tams/", "")),
    ],
)
def test_a_value_that_can_be_used_is_taken_as_it_is(monkeypatch, name, value):
    monkeypatch.setenv(f"TAMS_{name}", value)
    assert getattr(Settings.load(), name.lower()) == value


def test_urls_may_not_outlive_what_they_are_for():
    with pytest.raises(InvalidSetting, match=r"^TAMS_URL_TIMEOUT=301 is above TAMS_OBJECT_TIMEOUT=300$"):
        Settings.load(url_timeout=301, object_timeout=300)
    assert Settings.load(url_timeout=300, object_timeout=300).url_timeout == 300


def test_settings_are_read_once_and_stay():
    settings = Settings.load()
    with pytest.raises(ValidationError, match="frozen"):
        settings.port = 1


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({}, "duckdb:///.data/tams.duckdb", id="in-the-data-folder"),
        pytest.param({"data_dir": "/srv/tams"}, "duckdb:////srv/tams/tams.duckdb", id="in-a-folder-from-the-root"),
        pytest.param({"database_url": "duckdb://", "data_dir": "/srv"}, "duckdb://", id="where-it-is-said-to-be"),
    ],
)
def test_the_database_is_in_the_data_folder_unless_said_otherwise(given, expected):
    assert Settings.load(**given).database == expected


@pytest.mark.parametrize(
    ("host", "url"),
    [
        pytest.param("127.0.0.1", "http://localhost:8000", id="this-machine"),
        pytest.param("0.0.0.0", "http://localhost:8000", id="every-address"),
        pytest.param("::", "http://localhost:8000", id="every-address-of-ipv6"),
        pytest.param("192.0.2.7", "http://192.0.2.7:8000", id="one-address"),
        pytest.param("::1", "http://[::1]:8000", id="one-address-of-ipv6"),
    ],
)
def test_the_url_is_one_that_a_browser_here_can_open(host, url):
    assert Settings.load(host=host).url == url


@pytest.mark.parametrize(
    ("given", "origins"),
    [
        (None, ()),
        ("*", ("*",)),
        ("https://a.example", ("https://a.example",)),
        ("https://a.example,http://b:80", ("https://a.example", "http://b:80")),
    ],
)
def test_origins_are_a_comma_list(given, origins):
    assert Settings.load(cors_origins=given).origins == origins


def test_the_engine_of_the_analytics_is_shown_nowhere(monkeypatch):
    monkeypatch.setenv("TAMS_ANALYTICS_URL", "trino://tams:hunter2@host/catalog")
    settings = Settings.load()
    assert "hunter2" not in repr(settings) + str(settings) + settings.model_dump_json()
    assert settings.analytics_url is not None
    assert settings.analytics_url.get_secret_value().endswith("@host/catalog")


@pytest.mark.parametrize("given", ["TAMS_PORT=8002\nTAMS_TOKEN=abc\n", "tams_port=8002\ntams_token=abc\n"])
def test_variables_give_another_folder_the_settings_of_this_one(tmp_path, monkeypatch, given):
    (tmp_path / ".env").write_text(f"{given}VAST_ENDPOINT=https://vast.example\nOTHER=1\n")
    monkeypatch.setenv("TAMS_DEMO", "false")
    here = Settings.load()
    told = variables(here)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    there = Settings.load()
    assert (there.port, there.own_token, there.demo) == (8002, "abc", False)
    assert there.data_dir == tmp_path / ".data"
    assert there.database == f"duckdb:///{tmp_path / '.data' / 'tams.duckdb'}"
    assert told["VAST_ENDPOINT"] == "https://vast.example"
    assert "OTHER" not in told


@pytest.mark.parametrize("url", ["vast://bucket/schema", "duckdb://", "duckdb:////var/tams.duckdb"])
def test_a_database_that_is_the_same_everywhere_is_told_as_it_is(monkeypatch, url):
    monkeypatch.setenv("TAMS_DATABASE_URL", url)
    assert variables(Settings.load())["TAMS_DATABASE_URL"] == url
