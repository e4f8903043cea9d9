"""What is scraped, alerted on and drawn is what a service says at `/metrics`, by name, label and value."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.api.builders import video_flow
from tests.api.process import Service
from tests.deploy.environments import ROOT

FOLDER = ROOT / "deploy/observability"
DASHBOARD = json.loads((FOLDER / "grafana.json").read_text())
ALERTS = yaml.safe_load((FOLDER / "alerts.yml").read_text())
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool, of Debian's prometheus, is not installed")

SELECTOR = re.compile(r"\b(?P<name>tams_\w+|up)\b(?:\{(?P<labels>[^}]*)\})?")
LABEL = re.compile(r'(?P<name>\w+)\s*(?P<how>=~|!~|!=|=)\s*"(?P<value>[^"]*)"')
BY = re.compile(r"\b(?:by|on|without)\s*\((?P<names>[^)]*)\)")
OF_PROMETHEUS = {"job", "instance"}
"""Labels of what is scraped. A label `job` of ours is `exported_job` there."""


def panels() -> list[dict[str, Any]]:
    """What the dashboard draws."""
    return [one for one in DASHBOARD["panels"] if one["type"] != "row"]


def expressions() -> Iterator[str]:
    """Every expression in PromQL."""
    yield from (rule["expr"] for rule in RULES)
    yield from (target["expr"] for panel in panels() for target in panel["targets"])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, str]]]:
    """The labels of each series of a service that has had traffic, by the name of the metric."""
    with Service(tmp_path_factory.mktemp("watched")) as service:
        flow = video_flow()
        for path in (f"/flows/{flow['id']}", f"/flows/{flow['id']}/segments", "/health"):
            httpx.put(f"{service.url}/flows/{flow['id']}", json=flow, timeout=30).raise_for_status()
            httpx.get(f"{service.url}{path}", timeout=30).raise_for_status()
        text = httpx.get(f"{service.url}/metrics", timeout=30).text
    found: dict[str, list[dict[str, str]]] = defaultdict(list)
    for family in text_string_to_metric_families(text):
        found[family.name]  # of which there may be no series now: a table without a size
        for sample in family.samples:
            found[sample.name].append(sample.labels)
    return found


def test_every_metric_is_one_that_is_served_with_these_labels(served):
    seen = set()
    for expression in expressions():
        for selector in SELECTOR.finditer(expression):
            if (name := selector["name"]) == "up":
                continue
            assert name in served, f"{name} in {expression}"
            seen.add(name)
            for label in LABEL.finditer(selector["labels"] or ""):
                own = label["name"].removeprefix("exported_")
                if label["name"] not in OF_PROMETHEUS:
                    assert all(own in labels for labels in served[name]), f"{label['name']} of {name} in {expression}"
    assert len(seen) > 15


def test_what_is_grouped_by_is_a_label_of_what_is_grouped(served):
    for expression in expressions():
        names = [one["name"] for one in SELECTOR.finditer(expression)]
        for grouping in BY.finditer(expression):
            for label in map(str.strip, grouping["names"].split(",")):
                own = label.removeprefix("exported_")
                assert label in OF_PROMETHEUS or any(own in labels for name in names for labels in served[name]), (
                    f"{label} in {expression}"
                )


@pytest.mark.parametrize("name", ["route", "method", "status", "table"])
def test_values_that_are_named_are_ones_that_occur(served, name):
    """A route that was renamed would never be alerted on."""
    values = {labels[name] for series in served.values() for labels in series if name in labels}
    named = {
        label["value"]
        for expression in expressions()
        for selector in SELECTOR.finditer(expression)
        for label in LABEL.finditer(selector["labels"] or "")
        if label["name"] == name and label["how"] == "="
    }
    assert named <= values | {"503"}, "no service that is well answers 503"


def test_jobs_that_are_named_are_jobs(served):
    jobs = {labels["job"] for labels in served["tams_job_steps_total"]}
    named = {found[1] for one in expressions() for found in re.finditer(r'exported_job!?="(\w+)"', one)}
    assert named <= jobs
    assert named


def test_every_metric_of_the_service_is_drawn(served):
    drawn = " ".join(target["expr"] for panel in panels() for target in panel["targets"])
    families = {re.sub("_(total|count|sum|bucket)$", "", name) for name in served}
    assert {name for name in families if not re.search(rf"\b{name}(_\w+)?\b", drawn)} == set()


def test_dashboard_panels_say_what_they_show_and_do_not_overlap() -> None:
    assert len({one["id"] for one in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    cells = [
        (x, y)
        for one in DASHBOARD["panels"]
        for x in range(one["gridPos"]["x"], one["gridPos"]["x"] + one["gridPos"]["w"])
        for y in range(one["gridPos"]["y"], one["gridPos"]["y"] + one["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
    assert all(one["title"] and one["fieldConfig"]["defaults"]["unit"] for one in panels())


def test_every_alert_is_tested_and_says_what_is_wrong() -> None:
    tests = yaml.safe_load((FOLDER / "alerts_test.yml").read_text())["tests"]
    cases = [case for one in tests for case in one["alert_rule_test"]]
    fired = {case["alertname"] for case in cases if case.get("exp_alerts")}
    silent = {case["alertname"] for case in cases if not case.get("exp_alerts")}
    assert {rule["alert"] for rule in RULES} == fired == silent
    assert {rule["labels"]["severity"] for rule in RULES} == {"page", "ticket"}
    assert all(rule["annotations"]["summary"] for rule in RULES)


@needs_promtool
def test_promtool_finds_the_alerts_fire_when_they_are_to() -> None:
    command = [str(PROMTOOL), "test", "rules", "alerts_test.yml"]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_promtool_takes_what_is_to_be_scraped(tmp_path: Path) -> None:
    """With a token where it says that one is."""
    token = tmp_path / "token"
    token.write_text("token")
    text = (FOLDER / "prometheus.yml").read_text().replace("/etc/prometheus/tams.token", str(token))
    (tmp_path / "prometheus.yml").write_text(text)
    shutil.copy(FOLDER / "alerts.yml", tmp_path)
    command = [str(PROMTOOL), "check", "config", str(tmp_path / "prometheus.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel["title"])
def test_promtool_reads_what_the_dashboard_asks(panel: dict[str, Any], tmp_path: Path) -> None:
    """As rules, with what Grafana fills in."""
    filled = [
        target["expr"].replace("$__rate_interval", "5m").replace("$job", "tams").replace("$instance", ".*")
        for target in panel["targets"]
    ]
    rules = [{"record": f"drawn:{number}", "expr": one} for number, one in enumerate(filled)]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "drawn", "rules": rules}]}))
    command = [str(PROMTOOL), "check", "rules", str(tmp_path / "rules.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
