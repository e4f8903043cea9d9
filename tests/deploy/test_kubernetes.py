"""The kustomization: every object is valid by its schema, and what one names is another, or a secret that is listed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from typing import Any

import click
import kubernetes_validate
import pytest
import tomli
import yaml

from api.cli import main
from tams_data.settings import Settings
from tests.deploy.dockerfile import USER
from tests.deploy.environments import ROOT
from tests.deploy.variables import VARIABLES

FOLDER = ROOT / "deploy/kubernetes"
KUSTOMIZATION = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
OBJECTS: list[Any] = [
    one for name in KUSTOMIZATION["resources"] for one in yaml.safe_load_all((FOLDER / name).read_text())
]
DEPLOYMENTS = {one["metadata"]["name"]: one for one in OBJECTS if one["kind"] == "Deployment"}
PODS = {name: one["spec"]["template"] for name, one in DEPLOYMENTS.items()}
SECRETS = {"tams-signing", "tams-access", "tams-storage", "tams-vast", "tams-dashboard"}
"""What an operator makes first: deploy/README.md says how."""


def of(kind: str) -> Iterator[Any]:
    return (one for one in OBJECTS if one["kind"] == kind)


def container(name: str) -> Any:
    """The one container of a Deployment's pods."""
    (found,) = PODS[name]["spec"]["containers"]
    return found


def found_below(value: Any, key: str) -> Iterator[Any]:
    """Each value that has a key, however deep."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == key:
                yield inner
            yield from found_below(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from found_below(inner, key)


@pytest.mark.parametrize("one", OBJECTS, ids=lambda one: f"{one['kind']}-{one['metadata']['name']}")
def test_every_object_is_valid_by_the_schema_of_kubernetes(one: Any) -> None:
    """Strictly: a property that is not known is a misspelt one."""
    kubernetes_validate.validate(one, "1.33", strict=True)


def test_every_file_is_a_resource() -> None:
    there = {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}
    assert there == set(KUSTOMIZATION["resources"])


def test_selectors_find_the_pods_of_one_deployment() -> None:
    selectors = [one["spec"]["selector"] for one in of("Service")]
    for kind in ("Deployment", "PodDisruptionBudget"):
        selectors += [one["spec"]["selector"]["matchLabels"] for one in of(kind)]
    selectors += [one["spec"]["podSelector"]["matchLabels"] for one in of("NetworkPolicy")]
    selectors += [one["matchLabels"] for one in found_below(list(of("NetworkPolicy")), "podSelector")]
    selectors += [one["matchLabels"] for one in found_below(list(PODS.values()), "labelSelector")]
    for selector in selectors:
        matched = [name for name, pod in PODS.items() if selector.items() <= pod["metadata"]["labels"].items()]
        assert len(matched) == 1, selector
    assert all(name in str(one) for name, one in DEPLOYMENTS.items())


def test_ports_are_those_of_a_container() -> None:
    for name in PODS:
        own = {port["name"] for port in container(name).get("ports", [])}
        probed = set(found_below([container(name).get(probe) for probe in PROBES], "port"))
        assert probed <= own, name
    for service in of("Service"):
        named = {port["name"]: port for port in container(service["metadata"]["name"])["ports"]}
        for port in service["spec"]["ports"]:
            assert port["port"] == named[port["targetPort"]]["containerPort"]
    for policy in of("NetworkPolicy"):
        ports = {port["name"] for port in container(policy["metadata"]["name"]).get("ports", [])}
        assert {one["port"] for rule in policy["spec"]["ingress"] for one in rule["ports"]} <= ports


PROBES = ("startupProbe", "livenessProbe", "readinessProbe")


def test_the_api_is_ready_by_health_and_started_anew_only_when_it_does_not_live() -> None:
    paths = {probe: container("tams-api")[probe]["httpGet"]["path"] for probe in PROBES}
    assert paths == {
        "startupProbe": "/health/live",
        "livenessProbe": "/health/live",
        "readinessProbe": "/health",
    }


def test_configuration_and_secrets_are_named_and_none_is_inside() -> None:
    maps = {one["metadata"]["name"]: one["data"] for one in of("ConfigMap")}
    assert {one["name"] for one in found_below(OBJECTS, "configMapRef")} <= maps.keys()
    for one in found_below(OBJECTS, "configMapKeyRef"):
        assert one["key"] in maps[one["name"]]
    named = {one["name"] for key in ("secretRef", "secretKeyRef") for one in found_below(OBJECTS, key)}
    named |= {one["secretName"] for one in found_below(OBJECTS, "secret")}
    assert named == SECRETS
    assert not list(of("Secret"))
    text = (ROOT / "deploy/README.md").read_text()
    assert set(re.findall(r"create secret generic (\S+)", text)) == SECRETS


def test_every_variable_is_a_setting() -> None:
    names = set(chain.from_iterable(one["data"] for one in of("ConfigMap")))
    names |= {variable["name"] for name in PODS for variable in container(name).get("env", [])}
    assert names <= VARIABLES


@pytest.mark.parametrize("name", PODS)
def test_pods_take_no_more_rights_than_they_need(name: str) -> None:
    spec, only = PODS[name]["spec"], container(name)
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == USER
    assert spec["automountServiceAccountToken"] is False
    assert only["securityContext"]["readOnlyRootFilesystem"] is True
    assert only["securityContext"]["allowPrivilegeEscalation"] is False
    assert only["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert only["resources"]["limits"]["memory"]
    assert {mount["name"] for mount in only["volumeMounts"]} == {volume["name"] for volume in spec["volumes"]}


@pytest.mark.parametrize("name", PODS)
def test_kubernetes_sets_no_variable_that_is_a_setting(name: str) -> None:
    """Of a Service `tams-dashboard` it would make `TAMS_DASHBOARD_PORT=tcp://…`."""
    assert PODS[name]["spec"]["enableServiceLinks"] is False


@pytest.mark.parametrize("name", PODS)
def test_containers_run_a_command_of_the_image_of_this_version(name: str) -> None:
    assert container(name)["args"][0] in main.list_commands(click.Context(main))
    (image,) = KUSTOMIZATION["images"]
    assert container(name)["image"] == image["name"] == "tams-data-service"
    assert image["newTag"] == tomli.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_pods_are_given_the_time_that_requests_may_take() -> None:
    least = Settings.model_fields["drain_timeout"].default + 15
    assert all(PODS[name]["spec"]["terminationGracePeriodSeconds"] >= least for name in ("tams-api", "tams-worker"))
    assert DEPLOYMENTS["tams-api"]["spec"]["replicas"] >= 2
