"""Every query parameter that the served document names: misspelt, twice, or with a bad value, it is refused by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.api.builders import Json, video_flow
from tests.api.client import CheckedClient, as_object

NAME = "{name}"

BAD = ("x", ",x", "-")
"""Texts of which the schema of any parameter that is not free text refuses at least one."""


@pytest.fixture(scope="module")
def takes(shared_client: CheckedClient) -> list[tuple[str, Json]]:
    """Path and parameter, for every query parameter of everything that can be got; what the path names is there."""
    flow = shared_client.create_flow(video_flow(tags={"a": "b"}))
    (object_id,) = shared_client.add(flow["id"], "[0:0_1:0)")
    ids = {"flow_id": flow["id"], "source_id": flow["source_id"], "object_id": object_id, "name": "a"}
    document = as_object(shared_client.get("/openapi.json"))
    return [
        (path.format_map(Ids(ids)), parameter)
        for path, item in document["paths"].items()
        for parameter in item.get("get", {}).get("parameters", [])
        if parameter["in"] == "query"
    ]


class Ids(dict[str, str]):
    """The variables of paths; those that nothing is known of are ids of nothing."""

    def __missing__(self, key: str) -> str:
        return "2aa143ac-0ab7-4d75-bc32-5c00c13d186f"


def refused(client: CheckedClient, path: str, query: str) -> Any:
    """The parameter that the problem of a refused request names; None where it is not refused."""
    response = client.get(f"{path}?{query}")
    return as_object(response)["field"] if response.status_code == 400 else None


def test_every_list_and_what_it_shows_has_parameters(takes: list[tuple[str, Json]]) -> None:
    assert len({path for path, _ in takes}) >= 6
    assert len(takes) >= 50


def test_misspelt_parameter_is_refused_by_its_name(shared_client: CheckedClient, takes: list[tuple[str, Json]]) -> None:
    for path, parameter in takes:
        for misspelt in misspellings(parameter["name"]):
            assert refused(shared_client, path, f"{misspelt}=true") == misspelt, path


def misspellings(name: str) -> Iterator[str]:
    """What people write instead of the name of a parameter, or of one of a family."""
    family, dot, _ = name.partition(f".{NAME}")
    yield from ("s" + family + dot.replace(NAME, "a"), family.upper() + dot.replace(NAME, "a"))
    if dot:
        yield from (family, f"{family}s.a", f"{family[:-1]}.a", f"{family}[a]", f"{family}:a", f"{family}_a")


def test_parameter_given_twice_is_refused_by_its_name(
    shared_client: CheckedClient, takes: list[tuple[str, Json]]
) -> None:
    for path, parameter in takes:
        name = parameter["name"].replace(NAME, "a")
        assert refused(shared_client, path, f"{name}=true&{name}=true") == name, path


def test_bad_value_is_refused_by_the_name_of_its_parameter(
    shared_client: CheckedClient, takes: list[tuple[str, Json]]
) -> None:
    tried = set()
    for path, parameter in takes:
        name = parameter["name"].replace(NAME, "a")
        for bad in BAD:
            if not allowed(bad, parameter["schema"]):
                tried.add(name)
                assert refused(shared_client, path, f"{name}={bad}") == name, (path, bad)
    free = {parameter["name"].replace(NAME, "a") for _, parameter in takes} - tried
    assert free <= {"label", "object_id", "page", "storage_id", "columns", "filter"}


def allowed(text: str, schema: Json) -> bool:
    """Whether a text is a value of a parameter; none of BAD is a number or a truth value."""
    return Draft202012Validator(schema).is_valid(text)


@pytest.mark.parametrize("values", ["", "b", "b,c", "x%20y", "%00"])
def test_list_of_values_of_a_tag_is_taken(
    shared_client: CheckedClient, takes: list[tuple[str, Json]], values: str
) -> None:
    for path, parameter in takes:
        if parameter["name"].endswith(f"tag.{NAME}"):
            name = parameter["name"].replace(NAME, "a")
            assert shared_client.get(f"{path}?{name}={values}").status_code == 200, path


@pytest.mark.parametrize("values", [",", "b,", ",b", "b,,c", "%2Cb"])
def test_list_with_an_empty_value_of_a_tag_is_refused(
    shared_client: CheckedClient, takes: list[tuple[str, Json]], values: str
) -> None:
    for path, parameter in takes:
        if parameter["name"].endswith(f"tag.{NAME}"):
            name = parameter["name"].replace(NAME, "a")
            assert refused(shared_client, path, f"{name}={values}") == name, path
