"""The Compose file is one by its schema, and says of this project what is so."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import chain
from typing import Any

import click
import pytest
import yaml

from api.access.modes import modes_of
from api.cli import main
from tams_data.settings import Settings, VastSettings
from tests.deploy.dockerfile import stages, whole
from tests.deploy.environments import ROOT
from tests.deploy.variables import VARIABLES

TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE = yaml.safe_load(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", TEXT))
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = {name: one for name, one in SERVICES.items() if "build" in one}
STAGES = stages((ROOT / "Dockerfile").read_text())
PROFILES = ("embedded", "vast", "emulator")


def command_of(service: dict[str, Any]) -> list[str]:
    """What the entry point is given: the command here, or else the image's."""
    default = dict(whole(STAGES, service["build"]["target"]))["CMD"]
    return service.get("command") or yaml.safe_load(default)


def test_the_file_is_valid_by_the_schema_of_the_compose_specification() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*command, str(ROOT / "docker-compose.yml")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_variable_is_a_setting() -> None:
    inside = set(chain.from_iterable(one.get("environment", {}) for one in SERVICES.values()))
    outside = {name for name in re.findall(r"\$\{(\w+)", TEXT) if not name.endswith("_SECRET")}
    assert inside | outside <= VARIABLES
    assert inside


@pytest.mark.parametrize("name", [name for name, one in OURS.items() if one["build"]["target"] == "service"])
def test_every_service_has_settings_that_it_can_start_with(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what an operator has to say filled in."""
    image = dict(one.split("=", 1) for one in dict(whole(STAGES, "service"))["ENV"].split() if one.startswith("TAMS_"))
    own = OURS[name].get("environment", {})
    given = {"VAST_ENDPOINT": "https://vast.example", "TAMS_TOKEN": "token"} | {
        key: str(value) for key, value in own.items() if value
    }
    for key, value in (image | given).items():
        monkeypatch.setenv(key, value)
    settings = Settings.load(_env_file=None)
    if command_of(OURS[name])[0] in ("run", "serve"):
        assert modes_of(settings), "nobody gets in without a token"
    else:
        assert name.startswith(("worker", "dashboard"))
    if settings.database.startswith("vast://"):
        bucket, schema = settings.database.removeprefix("vast://").split("/")
        keys = {"access_key": "a", "secret_key": "s"}
        assert VastSettings.load(bucket=bucket, VAST_SCHEMA=schema, **keys, _env_file=None)
    assert settings.jobs is not (name in ("api", "api-on-emulator"))


@pytest.mark.parametrize("name", OURS)
def test_a_service_is_a_target_of_the_dockerfile_with_a_command_of_ours(name: str) -> None:
    service = OURS[name]
    assert service["build"]["target"] in STAGES
    if service["build"]["target"] == "service":
        assert command_of(service)[0] in main.list_commands(click.Context(main))
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["stop_grace_period"] == f"{Settings.model_fields['drain_timeout'].default + 15}s"


def test_each_profile_stands_by_itself() -> None:
    assert {profile for one in SERVICES.values() for profile in one["profiles"]} == set(PROFILES)
    for name, service in SERVICES.items():
        for other in service.get("depends_on", {}):
            assert service["profiles"] == SERVICES[other]["profiles"], name
            assert "disable" not in SERVICES[other].get("healthcheck", {}), "it can be waited for"


def test_what_is_named_is_there() -> None:
    for name, service in SERVICES.items():
        secrets = {one if isinstance(one, str) else one["source"] for one in service.get("secrets", [])}
        assert secrets <= COMPOSE["secrets"].keys(), name
        values = [str(value) for value in service.get("environment", {}).values()]
        files = {value.rsplit("/", 1)[1] for value in values if "/run/secrets" in value}
        assert files <= secrets, name
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (ROOT / source).is_file() if source.startswith(".") else source in COMPOSE["volumes"], name


def test_a_port_reaches_what_listens_on_it() -> None:
    for name, service in OURS.items():
        inside = [port.rsplit(":", 1)[1] for port in service.get("ports", [])]
        exposed = dict(whole(STAGES, service["build"]["target"]))["EXPOSE"].split()
        assert set(inside) <= set(exposed), name
    for profile in PROFILES:
        services = [one for one in SERVICES.values() if profile in one["profiles"]]
        outside = [port.split(":")[0] for one in services for port in one.get("ports", [])]
        assert sorted(outside) == ["5006", "8000"], "each once, whatever the profile"


def test_replicas_share_what_they_sign_with() -> None:
    for name in ("api", "worker"):
        targets = [one.get("target") for one in SERVICES[name]["secrets"] if isinstance(one, dict)]
        assert targets == ["/data/secret.key"]
