"""Requests that Schemathesis makes up from the served document, and from the specification's own: every check holds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit
from zlib import crc32

import pytest
from flask import Flask

from api.models.flow_post import FORMS
from tests.api import specification
from tests.api.builders import FLOWS, MULTI, VIDEO, Json
from tests.api.client import EXTENSIONS, UNNAMED, CheckedClient
from tests.api.specification import SHARED, needs_specification

schemathesis = pytest.importorskip("schemathesis", reason="Schemathesis knows no Python 3.10")

from schemathesis.config import SchemathesisConfig  # noqa: E402  # needs the package, see above
from schemathesis.core.failures import Failure  # noqa: E402
from schemathesis.core.parameters import ParameterLocation  # noqa: E402
from schemathesis.core.transport import Response  # noqa: E402
from schemathesis.engine import events, from_schema  # noqa: E402
from schemathesis.generation.meta import TestPhase  # noqa: E402
from schemathesis.openapi.checks import AllowHeaderMismatch  # noqa: E402
from schemathesis.schemas import BaseSchema  # noqa: E402

QUICK: Json = {
    "generation": {"max-examples": 5},
    "phases": {"coverage": {"enabled": False}, "stateful": {"generation": {"max-examples": 5}, "max-steps": 5}},
}
THOROUGH: Json = {"generation": {"max-examples": 200}}
"""How much is tried: the quick form a few seconds, the thorough one minutes, with every corner of each parameter."""

SEED = 82

NO_SCHEMA_SAYS = {
    "page": "keys of pages are opaque: only the service makes them",
    "timerange": "it must end after it starts, between the years 1678 and 2262, and overlap no other segment",
    "created": "the same of its text",
    "object_timerange": "the same, and that of a known object stays",
    "ts_offset": "it must be between the years 1678 and 2262",
    "last_duration": "it may not be negative",
    "object_id": "it must have been allocated for the flow, or have URLs; it may not be an initialisation object",
    "init_object_id": "it must be there, and be no media object",
    "get_urls": "those of a known object stay",
    "label": "labels of URLs are all different, and not those of storage backends",
    "container": "a flow without one takes no segments",
    "id": "that of the body is that of the path",
    "source_id": "a flow stays with its source",
    "format": "a flow has the format of its source",
    "flow_collection": "its members must be there",
    "profile_id": "it must be there",
    "storage_id": "it must be there",
    "object_ids": "they must be new",
    "first_referenced_by_flow": "it must be there",
    "url": "its host must be a name that can be looked up, and not at an address where the service sends nothing",
    "api_key_name": "it is not a header that is for HTTP itself",
    "key_frame_count": "an object without a timerange is an initialisation object, which has none",
    "columns": "they must be the table's",
    "filter": "it must be a filter of the table",
}
"""Why a request may be refused (400) that is as its schema says, by the parameter that the problem names."""

BEYOND_64_BITS = "a number that is too large"
"""Stands for any parameter that is refused for its size."""

FLAT_OR_NESTED = {"essence_parameters", *(name for _, essence in FORMS.values() for name in essence.model_fields)}
"""What `POST /flows` may refuse: each stands beside the others or is nested, not both, and none is missing."""

NOT_IN_THE_SPECIFICATION = {
    BEYOND_64_BITS: "no column holds it",
    "limit": "a page has at least one item",
    "url": "an empty one leads nowhere",
    "codec": "Schemathesis makes up texts that are no MIME types by the specification's own pattern",
    "container": "the same",
    "content_type": "the same",
    "api_key_name": "it has to be the name of an HTTP header",
    "api_key_value": "and this the value of one",
}
"""The same, where the schemas of the specification say less than those that are served."""


class Seeded:
    """An application with flows and segments in it, which come back when requests have changed or deleted them."""

    def __init__(self, client: CheckedClient) -> None:
        self.client = client
        self.app: Flask = client.application
        self.flows = [
            build(id=uuid(i), source_id=uuid(i + 10), label="seeded", tags={"a": ["b", "c"]})
            for i, build in enumerate(FLOWS.values())
        ]
        self.by_format = {flow["format"]: flow for flow in self.flows}
        self.by_format[MULTI]["flow_collection"] = [{"id": self.by_format[VIDEO]["id"]}]
        (self.storage_id,) = self.app.config["TAMS_STORE"].media
        self.objects = ["seeded-object", "another-seeded-object"]
        self.ids: Mapping[str, list[str]] = {
            "flow": [flow["id"] for flow in self.flows],
            "source": [flow["source_id"] for flow in self.flows],
            "object": self.objects,
        }
        self.changed_by: str | None = None
        self.calls = 0
        self.restore()

    def restore(self) -> None:
        """Put everything back."""
        for flow in sorted(self.flows, key=lambda flow: "flow_collection" in flow):
            self.client.put(f"/flows/{flow['id']}", json={**flow, "read_only": False})
            self.client.put(f"/flows/{flow['id']}", json=flow)
        for i, object_id in enumerate(self.objects):
            urls = [{"url": "https://elsewhere.example/a.ts", "label": "elsewhere"}]
            segment = {"object_id": object_id, "timerange": f"[{i}:0_{i + 1}:0)", "get_urls": urls}
            self.client.post(f"/flows/{self.flows[0]['id']}/segments", json=segment)

    def lead_body(self, case: Any) -> None:
        """Let a body name what is there: a schema cannot say that it must be."""
        body: Json = case.body
        if "source_id" in body and body.get("format") in self.by_format:
            flow = self.by_format[body["format"]]
            case.path_parameters = dict.fromkeys(case.path_parameters or {}, flow["id"])
            case.body = {**body, "id": flow["id"], "source_id": flow["source_id"]}
            case.body.pop("profile_id", None)
            if body.get("flow_collection"):
                case.body["flow_collection"] = [{**one, "id": uuid(1)} for one in body["flow_collection"]]
        elif "storage_id" in body:
            case.body = {**body, "storage_id": self.storage_id}

    def before(self, operation: str) -> None:
        """Have something there for the requests of an operation to find, at least for some of them."""
        self.calls += 1
        if self.changed_by is not None and (self.changed_by != operation or self.calls % 10 == 0):
            self.changed_by = None
            self.restore()

    def id_of(self, variable: str, instead_of: Any) -> Any:
        """A known id for three in four values of a variable of a path, by the kind of resource in its name."""
        kind = re.split(r"[_-]|(?=[A-Z])", variable)[0]
        choice = crc32(str(instead_of).encode(errors="replace"))
        known = self.ids.get(kind, [])
        return known[choice % len(known)] if known and choice % 4 else instead_of


def uuid(number: int) -> str:
    """A UUID that is the same in every run."""
    return f"{number:08}-0000-4000-8000-000000000000"


@pytest.fixture
def seeded(client: CheckedClient) -> Iterator[Seeded]:
    """An application with something in it, to which Schemathesis's requests are led."""
    found = Seeded(client)

    def before_call(context: Any, case: Any, kwargs: Any) -> None:
        found.before(case.operation.label)
        if case.meta is None or case.meta.phase.name == TestPhase.STATEFUL:
            return  # its ids are from earlier answers
        negative = [one for one, component in case.meta.components.items() if component.mode.is_negative]
        if case.path_parameters and ParameterLocation.PATH not in negative:
            for name, value in case.path_parameters.items():
                case.path_parameters[name] = found.id_of(name, value)
        if isinstance(case.body, dict) and not negative:
            found.lead_body(case)

    schemathesis.hook(before_call)
    yield found
    schemathesis.hooks.unregister(before_call)


def run(schema: BaseSchema, seeded: Seeded, *, by_specification: bool) -> None:
    """Send what Schemathesis makes up; fail with everything that is wrong.

    Each operation by itself, then in sequences that follow from what answers and requests have in common.
    """

    def filter_failure(context: Any, failure: Failure, case: Any, response: Response) -> bool:
        if failure.title == "Schema-valid request rejected":
            more = FLAT_OR_NESTED if case.operation.label == "POST /flows" else set()
            return refused_field(seeded, case, response) not in may_be_refused | more
        if failure.title == "Schema-violating request accepted":
            # TAMS 8.2, POST segments: of an array, what is wrong is told in a 200.
            told = response.status_code == 200 and b'"failed_segments"' in response.content
            return not (told or (by_specification and taken_beyond_the_schema(case)))
        return not meant(failure, case, response)

    def after_call(context: Any, case: Any, response: Response) -> None:
        if case.method.upper() in ("PUT", "DELETE") and response.status_code < 300:
            seeded.changed_by = case.operation.label

    may_be_refused = {*NO_SCHEMA_SAYS, *NOT_IN_THE_SPECIFICATION} if by_specification else set(NO_SCHEMA_SAYS)
    schema.hook(filter_failure)
    schema.hook(after_call)
    wrong: dict[tuple[str, ...], str] = {}
    tried: set[str] = set()
    for event in from_schema(schema).execute():
        if isinstance(event, events.FatalError):
            raise event.exception
        if isinstance(event, events.NonFatalError):
            wrong[event.label, repr(event.value)] = ""
        elif isinstance(event, events.ScenarioFinished):
            tried.update(node.value.operation.label for node in event.recorder.cases.values())
            wrong.update(failures_of(event))
    assert not wrong, "\n\n".join(f"{' | '.join(what)}\n{how}" for what, how in wrong.items())
    assert tried == {found.ok().label for found in schema.get_all_operations()}


def meant(failure: Failure, sent: Any, response: Response) -> bool:
    """Whether what Schemathesis takes for a failure is as it should be."""
    found = MEANT.get(failure.title)
    return found is not None and found(failure, sent, response)


def is_empty_list(_: Failure, sent: Any, response: Response) -> bool:
    """TAMS 8.2, GET segments: a flow without segments has an empty list of them, a deleted one too."""
    return sent.path.endswith("/segments") and response.content in (b"[]", b"")


def is_property(_: Failure, sent: Any, __: Response) -> bool:
    """TAMS 8.2: a property that was never given is not found; what it would be of is."""
    return re.match(r"/(flows|sources)/\{[^}]+\}/", sent.path) is not None


def allows_what_it_has(failure: Failure, sent: Any, response: Response) -> bool:
    """What `Allow` names beside the document's methods is an extension, or of an object of another name."""
    extended = ("POST", sent.path) in EXTENSIONS and allows_more(failure, ["POST"])
    return extended or is_below_an_object(failure, sent, response)


def is_below_an_object(failure: Failure, sent: Any, _: Response) -> bool:
    """The id of an object may have slashes in it: below an object, GET is of an object of another name."""
    below_an_object = re.match(r"/objects/\{[^}]+\}/", sent.path) is not None
    return below_an_object and allows_more(failure, ["GET"])


def is_extension(_: Failure, sent: Any, response: Response) -> bool:
    """What the service has on a path of TAMS, the specification's document does not declare."""
    return (response.request.method, sent.path) in EXTENSIONS


def is_elsewhere(_: Failure, sent: Any, response: Response) -> bool:
    """The objects that are seeded are at a host that is none."""
    return response.status_code == 502 and sent.path.endswith("/stretch.mp4")


def is_unnamed(_: Failure, sent: Any, response: Response) -> bool:
    """A 400 for a parameter that can be wrong, though the specification names none."""
    method = sent.method.upper()
    return response.status_code == 400 and ((method, sent.path) in UNNAMED or (method == "DELETE" and sent.query))


MEANT: Mapping[str, Callable[[Failure, Any, Response], bool]] = {
    "Deleted resource still available": is_empty_list,
    "Created resource not found": is_property,
    "Allow header mismatch": allows_what_it_has,
    "Wrong response to undeclared method": is_extension,
    "Server error": is_elsewhere,
    "Undocumented status code": is_unnamed,
}
"""By the title of a failure, when it is none."""


def allows_more(failure: Failure, methods: list[str]) -> bool:
    """Whether `Allow` names all methods that it should, and these."""
    return (
        isinstance(failure, AllowHeaderMismatch)
        and not failure.missing_methods
        and failure.undocumented_methods == methods
    )


def failures_of(event: events.ScenarioFinished) -> Iterator[tuple[tuple[str, ...], str]]:
    """What went wrong in a scenario, and the request to see it by."""
    for case_id, checks in event.recorder.checks.items():
        for check in checks:
            if (found := check.failure_info) is not None:
                answer = event.recorder.interactions[case_id].response
                text = answer.text[:500] if answer is not None else ""
                operation = event.recorder.cases[case_id].value.operation.label
                what = (event.phase.value, operation, check.name, found.failure.title)
                yield what, f"{found.code_sample}\n{found.failure}\n{text}"


def taken_beyond_the_schema(case: Any) -> bool:
    """Whether a request has one of the two things that are taken though the specification's schemas refuse them.

    An empty `accept_storage_ids`, of which its text says that it filters nothing, and null for a property left out.
    """
    return (case.query or {}).get("accept_storage_ids") == "" or has_null(case.body)


def has_null(value: Any) -> bool:
    """Whether null is somewhere in a body."""
    if isinstance(value, dict):
        return any(one is None or has_null(one) for one in value.values())
    return isinstance(value, list) and any(has_null(one) for one in value)


def refused_field(seeded: Seeded, case: Any, response: Response) -> str | None:
    """The parameter that a problem names, without the way to it in the body."""
    if case.method.upper() == "HEAD":
        url = urlsplit(response.request.url)
        problem = seeded.client.get(f"{url.path}?{url.query}").json
    else:
        problem = response.json()
    assert isinstance(problem, dict)
    if str(2**63) in problem["detail"]:
        return BEYOND_64_BITS
    field = problem["field"]
    words = [word for word in field.split(".") if not word.isdigit()]
    return words[-1] if words else None


def configured(amount: Json, **more: Any) -> SchemathesisConfig:
    """The configuration of a run that is the same every time."""
    generation = {**amount["generation"], "deterministic": True, "database": "none"}
    headers = {"Accept-Encoding": "identity"}  # over WSGI, nothing unpacks what is compressed
    given = {"seed": SEED, "headers": headers, **amount, "generation": generation, **more}
    return SchemathesisConfig.from_dict({"suppress-health-check": ["too_slow"], **given})  # of a busy machine


def served(seeded: Seeded, amount: Json) -> BaseSchema:
    """The served document, but for the stream of events: it has no end to wait for."""
    schema = schemathesis.openapi.from_wsgi("/openapi.json", seeded.app, config=configured(amount))
    return schema.exclude(path="/events")


def test_served_document_holds(seeded: Seeded) -> None:
    run(served(seeded, QUICK), seeded, by_specification=False)


@pytest.mark.soak
def test_served_document_holds_for_long(seeded: Seeded) -> None:
    run(served(seeded, THOROUGH), seeded, by_specification=False)


def of_specification(seeded: Seeded, amount: Json) -> BaseSchema:
    """The specification's document, with the operations that are served."""
    tams_spec = specification.module()
    assert tams_spec is not None
    document = seeded.client.get("/openapi.json").json
    assert document is not None
    served = {tams_spec.normalise(path): item for path, item in document["paths"].items()}
    whole = all(one.method in served.get(tams_spec.normalise(one.path), {}) for one in specification.load().operations)
    # It asks for credentials; here access is open. `Allow` can only be compared where every method is served.
    checks = {"ignored_auth": {"enabled": False}, "allow_header_conformance": {"enabled": whole}}
    config = configured(amount, checks=checks)
    path = SHARED / "tams-spec" / "TimeAddressableMediaStore.yaml"
    schema = schemathesis.openapi.from_path(path, config=config)
    schema.app = seeded.app
    return schema.include(
        lambda ctx: ctx.operation.method.lower() in served.get(tams_spec.normalise(ctx.operation.path), {})
    )


@needs_specification
def test_specification_holds(seeded: Seeded) -> None:
    run(of_specification(seeded, QUICK), seeded, by_specification=True)


@needs_specification
@pytest.mark.soak
def test_specification_holds_for_long(seeded: Seeded) -> None:
    run(of_specification(seeded, THOROUGH), seeded, by_specification=True)
