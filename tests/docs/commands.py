"""What is wrong with a command of the documentation that tests do not run: it may need a cluster, or the internet."""

from __future__ import annotations

import importlib.util
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import click
import tomli
import yaml
from packaging.requirements import InvalidRequirement, Requirement

from api.cli import main
from docs.generated.document import document
from tams_data.settings import Settings, VastSettings
from tests.docs.pages import ROOT

SERVICE = "http://localhost:8000"

SETTINGS = {f"TAMS_{name.upper()}" for name in Settings.model_fields} | {
    field.alias or f"VAST_{name.upper()}" for name, field in VastSettings.model_fields.items()
}
"""Every variable that the service reads by itself."""

OF_CLIENTS = {"TAMS_URL"}
"""Variables that clients read: they are no settings of a service."""

NOT_DESCRIBED = ("/docs", "/redoc", "/openapi.json", "/keeping/backup", "/keeping/verify")
"""What is served and is not in the OpenAPI document."""

_ELSEWHERE = re.compile(r"(OTEL|AWS)_[A-Z_]+")
"""Variables that libraries read."""

_ASSIGNMENT = re.compile(r"([A-Z][A-Z0-9_]*)=(.*)", re.DOTALL)
_MADE = re.compile(r"run\.lock|tams_data_service-[\d.]+-py3-none-any\.whl")
"""What commands before have made."""

_BETWEEN = {"|", "&&", ";"}


def faults(script: str) -> list[str]:
    """What is wrong with the lines of a shell script; nothing for one that can be run as it stands."""
    lines = script.replace("\\\n", " ").splitlines()
    return [fault for line in lines for command in _commands(line) for fault in _faults_of(command)]


def _commands(line: str) -> Iterator[list[str]]:
    """The commands of a line, as words, without what they write into."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    command: list[str] = []
    for word in lexer:
        if word in _BETWEEN:
            yield command
            command = []
        else:
            command.append(word)
    if command:
        yield command[: command.index(">")] if ">" in command else command


def _faults_of(command: list[str]) -> list[str]:
    while command and (assignment := _ASSIGNMENT.fullmatch(command[0])):
        if wrong := unknown_setting(assignment[1]):
            return [wrong]
        command = command[1:]
    if not command:
        return []
    name = re.sub(r"^(\.venv|/opt/tams)/bin/", "", command[0])
    check = _CHECKS.get(name)
    return [f"no rule checks the command {name!r}"] if check is None else list(filter(None, check(command[1:])))


def unknown_setting(name: str) -> str:
    """What is wrong with the name of a variable."""
    return "" if name in SETTINGS | OF_CLIENTS or _ELSEWHERE.fullmatch(name) else f"there is no setting {name}"


def _tams(words: list[str]) -> Iterator[str]:
    """Parse the words as the command does, up to where it would run."""
    try:
        context, command = main.make_context("tams", list(words)), main
        while isinstance(command, click.Group):
            _, found, rest = command.resolve_command(context, [*context._protected_args, *context.args])
            assert found is not None
            prompted = [f"--{one.name}=x" for one in found.params if getattr(one, "prompt", None)]
            context, command = found.make_context(found.name, [*prompted, *rest], parent=context), found
    except (click.exceptions.Exit, click.exceptions.NoArgsIsHelpError):  # --help, or a group that then helps
        return
    except click.ClickException as error:
        if not error.format_message().endswith("does not exist."):  # a file that is not here
            yield f"tams {shlex.join(words)}: {error.format_message()}"


def _curl(words: list[str]) -> Iterator[str]:
    urls = [word for word in words if "://" in word]
    method = "GET"
    for option, implied in (("-I", "HEAD"), ("-d", "POST"), ("--data", "POST"), ("-T", "PUT")):
        method = implied if option in words else method
    method = words[words.index("-X") + 1] if "-X" in words else method
    if not urls:
        yield "curl without a URL"
    for url in urls:
        if url.startswith(SERVICE):
            yield unserved(method, url.removeprefix(SERVICE))


def unserved(method: str, path_and_query: str) -> str:
    """What the service would not know of a request: its path, the method on it, or a parameter."""
    parts = urlsplit(path_and_query)
    if parts.path in NOT_DESCRIBED:
        return ""
    item = _route(parts.path)
    if item is None or method.lower() not in item:
        return f"there is no {method} {parts.path}"
    parameters = item[method.lower()].get("parameters", [])
    known = ["access_token", *(one["name"] for one in parameters if one["in"] == "query")]
    wanted = [re.compile(re.escape(name).replace(r"\{name\}", ".+")) for name in known]
    for name, _ in parse_qsl(parts.query, keep_blank_values=True):
        if not any(one.fullmatch(name) for one in wanted):
            return f"{method} {parts.path} has no parameter {name}"
    return ""


def _route(path: str) -> Mapping[str, dict[str, Any]] | None:
    """What the document says of a path. A name in braces stands for any, in the document and in what is asked."""
    asked = _pattern(path)
    found = [item for pattern, known, item in _routes() if pattern.fullmatch(path) or asked.fullmatch(known)]
    return found[0] if found else None


@cache
def _routes() -> list[tuple[re.Pattern[str], str, Mapping[str, dict[str, Any]]]]:
    # Paths without names come first: `/flows/x` is not a flow where there is a path of that text.
    paths = sorted(document()["paths"].items(), key=lambda one: one[0].count("{"))
    return [(_pattern(path), path, item) for path, item in paths]


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)))


def _make(words: list[str]) -> Iterator[str]:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for word in words:
        if "=" not in word and not word.startswith("-") and word not in targets:
            yield f"there is no make {word}"


def _python(words: list[str]) -> Iterator[str]:
    if words[0].endswith(".py"):
        yield from _files(words)
    elif words[:1] == ["-m"]:
        if words[1] == "pip":
            yield from _pip(words[2:])
        elif importlib.util.find_spec(words[1]) is None:
            yield f"there is no module {words[1]}"
    else:
        yield f"no rule checks python {shlex.join(words)}"


def _pip(words: list[str]) -> Iterator[str]:
    extras = tomli.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for word in words[1:]:
        try:
            wanted = Requirement(word)
        except InvalidRequirement:
            if not word.startswith("-") and not (ROOT / word).exists() and not _MADE.fullmatch(word):
                yield f"pip has no use for {word}"
        else:
            if wanted.name == "tams-data-service" and not wanted.extras <= extras.keys():
                yield f"there is no extra {wanted.extras - extras.keys()}"


def _export(words: list[str]) -> Iterator[str]:
    yield from (unknown_setting(word.partition("=")[0]) for word in words)


def _docker(words: list[str]) -> Iterator[str]:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"].values()
    profiles = {profile for service in services for profile in service["profiles"]}
    for option, value in pairwise(words):
        if option == "--profile" and value not in profiles:
            yield f"there is no profile {value}"


def _files(words: list[str]) -> Iterator[str]:
    """What is wrong with the paths in a command of the system: those into the project lead somewhere."""
    yield from (f"there is no {word}" for word in words if word.startswith("deploy/") and not [*ROOT.glob(word)])


def _nothing(_: list[str]) -> Iterator[str]:
    return iter(())


_CHECKS: Mapping[str, Callable[[list[str]], Iterator[str]]] = {
    "tams": _tams,
    "curl": _curl,
    "make": _make,
    "python": _python,
    "python3": _python,
    "pip": _pip,
    "export": _export,
    "docker": _docker,
    **dict.fromkeys(("cp", "install", "kubectl", "systemctl"), _files),
    **dict.fromkeys(("cd", "head", "mkdir", "useradd"), _nothing),
}
"""What knows whether a command can be given so."""
