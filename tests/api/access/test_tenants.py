"""Two tenants of one store: each list, each resource and each analysis shows one nothing of what is the other's."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from werkzeug.test import TestResponse

from tams_data import media, schema
from tams_data.queries.analytics import ANALYSES
from tams_data.store.store import Store
from tests.api.access.people import As, House, entry, settings_with
from tests.api.builders import Json, multi_flow, new_id, profile, video_flow
from tests.api.client import as_list, as_object
from tests.conftest import ENGINES

NEWS, SPORT, BOTH, ROOT = "news", "sport", "both", "root"

ELSEWHERE = [{"url": "https://elsewhere.example/a.ts", "label": "elsewhere"}]


@dataclass
class Tenant:
    """What a tenant has in the store, by id: two flows, one that collects both, three segments and a webhook."""

    client: As
    flows: list[str]
    sources: list[str]
    objects: list[str]
    webhook: str
    deletion: str

    @property
    def ids(self) -> set[str]:
        """Every id that only this tenant may see."""
        return {*self.flows, *self.sources, *self.objects, self.webhook, self.deletion}


def moved_in(house: House, name: str) -> Tenant:
    """A tenant with something in the store."""
    client = house.client(name)
    flows = [client.create_flow(video_flow(label=f"{name} {one}", tags={"of": name})) for one in "ab"]
    collecting = client.create_flow(multi_flow(flow_collection=[{"id": flow["id"]} for flow in flows]))
    uploaded = client.upload(flows[0]["id"], name.encode() * 5)
    client.register(flows[0]["id"], {"object_id": uploaded, "timerange": "[0:0_1:0)"})
    outside = f"{name}-{new_id()}"
    client.register(flows[1]["id"], {"object_id": outside, "timerange": "[3:0_4:0)", "get_urls": ELSEWHERE})
    client.register(flows[1]["id"], {"object_id": uploaded, "timerange": "[8:0_9:0)", "ts_offset": "8:0"})
    allocated = client.allocate(flows[0]["id"])
    webhook = client.create_webhook(url=f"https://{name}.example", flow_ids=[flows[0]["id"]])
    doomed = client.create_flow(video_flow())
    deletion = as_object(client.post("/deletion-requests", json={"flow_id": doomed["id"], "delete_flow": True}))
    shown = [*flows, collecting, doomed]
    return Tenant(
        client,
        [one["id"] for one in shown],
        [one["source_id"] for one in shown],
        [uploaded, outside, *allocated],
        webhook["id"],
        deletion["id"],
    )


@pytest.fixture(scope="module", params=ENGINES)
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house with two tenants, who have everything but admin, somebody of both, and somebody who may do anything."""
    folder: Path = tmp_path_factory.mktemp("tenants")
    people = [
        *(entry(name, groups=[name]) for name in (NEWS, SPORT)),
        entry(BOTH, groups=[NEWS, SPORT]),
        entry(ROOT, "admin"),
        entry("reader of news", "read", groups=[NEWS]),
        entry("nobody's", groups=[]),
    ]
    settings = settings_with(folder, *people)
    store = Store(ENGINES[request.param](), {one.backend.id: one for one in media.connect(settings)})
    yield House(store, settings)
    store.close()


@pytest.fixture(scope="module")
def news(house: House) -> Tenant:
    return moved_in(house, NEWS)


@pytest.fixture(scope="module")
def sport(house: House, news: Tenant) -> Tenant:  # both are there
    tenant = moved_in(house, SPORT)
    house.app.config["TAMS_STORE"]._sequencing.run()  # what gives events their place where several may write
    return tenant


@pytest.fixture(scope="module")
def document(house: House) -> Json:
    return as_object(house.client().get("/openapi.json"))


def text_of(answer: TestResponse) -> str:
    """All that an answer says, as text: rows that come as Arrow as well."""
    if answer.status_code == 200 and answer.content_type == "application/vnd.apache.arrow.stream":
        return str(pa.ipc.open_stream(answer.data).read_all().to_pylist())
    return answer.text


def lists(document: Json) -> Iterator[str]:
    """The path of each operation that reads and names no resource, and of each table."""
    for path, item in document["paths"].items():
        if "get" in item and not re.search("{", path) and path != "/events":  # which does not end
            yield path
    yield from (f"/tables/{name}" for name in schema.TABLES)


def test_every_list_and_every_analysis_shows_a_tenant_nothing_of_the_others(
    news: Tenant, sport: Tenant, document: Json, subtests: pytest.Subtests, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.events.LONGEST_S", 0.2)
    paths = [*lists(document), "/events?after=0"]
    assert len(paths) > 40
    shown: dict[str, bool] = {}
    for path in paths:
        with subtests.test(path=path):
            for asking, other in ((news, sport), (sport, news)):
                answer = asking.client.get(path)
                said = text_of(answer)
                assert answer.status_code in (200, 403), said
                assert [one for one in other.ids if one in said] == []
                shown[path] = any(one in said for one in asking.ids)
    assert {path for path, there in shown.items() if there} >= {
        *("/flows", "/sources", "/service/webhooks", "/webhooks", "/analytics/flows", "/analytics/coverage"),
        *("/analytics/timeline", "/analytics/gaps", "/analytics/storage-by-source", "/analytics/unreferenced-objects"),
        *(f"/tables/{name}" for name in ("sources", "flows", "flow_collections", "segments")),
        *(f"/tables/{name}" for name in ("flow_timelines", "flow_gaps")),
        *("/events?after=0", "/tables/events"),
        *(f"/tables/{name}" for name in ("objects", "storage_allocations", "webhooks", "deletion_requests")),
    }


@pytest.mark.parametrize("name", ANALYSES)
def test_an_analysis_of_a_tenant_is_that_of_a_store_with_nothing_else(
    house: House, news: Tenant, sport: Tenant, name: str
) -> None:
    """What adds up has no ids in it: two tenants who have alike see alike, and root sees both."""
    if name in ("flows", "coverage", "timeline", "gaps", "object-access", "discontinuities", "object-ages"):
        return  # has ids or ages in it, see above
    query = {"now_ns": "0"} if "now_ns" in ANALYSES[name].parameters else {}
    rows = [as_object(one.client.get(f"/analytics/{name}", query_string=query))["rows"] for one in (news, sport)]
    of_all = as_object(house.client(ROOT).get(f"/analytics/{name}", query_string=query))["rows"]
    counts = [column for column in ("flows", "segments", "objects", "rows", "gaps") if rows[0] and column in rows[0][0]]
    for column in counts:
        mine, theirs, whole = (sum(row[column] or 0 for row in found) for found in (*rows, of_all))
        assert mine == theirs, column
        assert name == "catalog-summary" or mine + theirs == whole, column


def below(tenant: Tenant, document: Json) -> Iterator[tuple[str, str]]:
    """Each path that names a resource, with one of the tenant's, and the path as the document has it."""
    named = {
        "flow_id": tenant.flows[0],
        "source_id": tenant.sources[0],
        "object_id": tenant.objects[0],
        "webhook_id": tenant.webhook,
        "request_id": tenant.deletion,
        "name": "of",
    }
    for path in document["paths"]:
        variables = re.findall(r"{(\w+)}", path)
        if variables and path not in ("/tables/{name}", "/service/profiles/{profile_id}"):
            yield re.sub(r"{(\w+)}", lambda found: named[found[1]], path), path


BODIES: dict[str, Any] = {
    "label": "x",
    "description": "x",
    "{name}": "x",
    "read_only": False,
    "max_bit_rate": 1,
    "avg_bit_rate": 1,
    "flow_collection": [],
    "storage": {},
    "instances": {"url": "https://b.example/x", "label": "b"},
    "segments": {"object_id": "x", "timerange": "[90:0_91:0)", "get_urls": ELSEWHERE},
}


def test_every_resource_of_another_is_as_if_it_were_not_there(
    house: House, news: Tenant, sport: Tenant, document: Json, subtests: pytest.Subtests
) -> None:
    """Whatever is asked of it. Afterwards it is as it was."""
    root = house.client(ROOT)

    def shown() -> dict[str, str]:
        urls = [url for url, _ in below(sport, document)]
        return {url: re.sub(r"expires=\d+&signature=[\w-]+", "", text_of(root.get(url))) for url in urls}

    before = shown()
    tried = 0
    for url, path in below(sport, document):
        for method in document["paths"][path]:
            with subtests.test(method=method, path=path):
                body = BODIES.get(path.rpartition("/")[2])
                if path == "/flows/{flow_id}" and method == "put":
                    body = as_object(root.get(url))
                if path == "/service/webhooks/{webhook_id}" and method == "put":
                    body = as_object(root.get(url))
                if path == "/flows/{flow_id}/segments" and method in ("get", "head"):
                    continue  # TAMS 8.2: of a flow that is not there, an empty list; see below
                query = {"label": "elsewhere"} if path.endswith("instances") and method == "delete" else {}
                answer = news.client.open(url, method=method.upper(), json=body, query_string=query)
                assert answer.status_code == 404, answer.text
                tried += 1
    assert tried > 60
    assert shown() == before


def test_segments_of_anothers_flow_are_those_of_a_flow_that_is_not_there(news: Tenant, sport: Tenant) -> None:
    assert news.client.segments(sport.flows[0]) == []
    assert len(sport.client.segments(sport.flows[0])) == 1


def test_who_listens_hears_of_what_they_may_read(news: Tenant, sport: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.events.LONGEST_S", 0.3)
    for asking, other in ((news, sport), (sport, news)):
        answer = asking.client.get("/events?after=0")
        assert answer.status_code == 200
        heard = answer.text
        assert [one for one in other.ids if one in heard] == []
        assert {*asking.flows, *asking.sources} <= {one for one in asking.ids if one in heard}


def test_events_of_what_a_hidden_flow_collects_do_not_tell_of_it(
    house: House, news: Tenant, sport: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the flow itself does not: `collected_by` is what the caller sees."""
    monkeypatch.setattr("api.events.LONGEST_S", 0.3)
    root, flow = house.client(ROOT), news.flows[1]
    collections = [multi_flow(flow_collection=[{"id": flow}], tags={"auth_classes": [one]}) for one in (NEWS, SPORT)]
    for one in collections:
        root.create_flow(one)
    assert root.put(f"/flows/{flow}/label", json="collected").status_code == 204
    house.app.config["TAMS_STORE"]._sequencing.run()
    of_news, of_sport = ([one["id"], one["source_id"]] for one in collections)
    for path in ("/events?after=0", "/tables/events"):
        told = text_of(news.client.get(path))
        assert [one for one in of_sport if one in told] == []
    (last,) = [line for line in text_of(news.client.get("/events?after=0")).splitlines() if '"collected"' in line]
    assert of_news[0] in json.loads(last.removeprefix("data: "))["event"]["flow"]["collected_by"]
    for one in collections:
        assert root.delete(f"/flows/{one['id']}").status_code == 204


def test_pages_are_full_though_something_is_hidden_in_between(house: House, news: Tenant, sport: Tenant) -> None:
    for name in (NEWS, SPORT, NEWS, SPORT, NEWS):
        house.client(name).create_flow(video_flow())
    for path in ("/flows", "/sources"):
        whole = [one["id"] for one in as_list(news.client.get(path))]
        pages = [as_list(page) for page in news.client.walk(f"{path}?limit=2")]
        assert [one["id"] for page in pages for one in page] == whole
        assert {len(page) for page in pages[:-1]} == {2}
        assert not {*whole} & sport.ids


def test_the_flows_of_an_object_are_those_that_the_caller_sees(house: House, news: Tenant, sport: Tenant) -> None:
    shared = news.objects[1]
    segment = {"object_id": shared, "timerange": "[50:0_51:0)", "ts_offset": "47:0"}
    house.client(ROOT).register(sport.flows[0], segment)
    for tenant, flow_id, first in ((sport, sport.flows[0], None), (news, news.flows[1], news.flows[1])):
        shown = as_object(tenant.client.get_object(shared))
        assert (shown["referenced_by_flows"], shown.get("first_referenced_by_flow")) == ([flow_id], first)
    assert set(as_object(house.client(BOTH).get_object(shared))["referenced_by_flows"]) == {
        sport.flows[0],
        news.flows[1],
    }
    timerange = {"timerange": "[50:0_51:0)"}
    assert sport.client.delete(f"/flows/{sport.flows[0]}/segments", query_string=timerange).status_code == 204


def test_who_is_in_no_group_sees_nothing(house: House, news: Tenant) -> None:
    client = house.client("nobody's")
    assert as_list(client.get("/flows")) == as_list(client.get("/sources")) == []
    assert client.get(f"/flows/{news.flows[0]}").status_code == 404
    flow = video_flow()
    assert client.put(f"/flows/{flow['id']}", json=flow).status_code == 403


def test_bytes_at_a_plain_url_are_for_who_sees_what_uses_them(house: House, news: Tenant, sport: Tenant) -> None:
    (_, plain) = as_object(news.client.get_object(news.objects[0]))["get_urls"]
    assert not plain["presigned"]
    assert news.client.get(plain["url"]).data == b"news" * 5
    assert house.client(BOTH).get(plain["url"]).status_code == 200
    assert sport.client.get(plain["url"]).status_code == 404
    assert house.client().get(plain["url"]).status_code == 401


def test_bytes_at_a_presigned_url_need_nothing_else(house: House, news: Tenant) -> None:
    (presigned, _) = as_object(news.client.get_object(news.objects[0]))["get_urls"]
    assert presigned["presigned"]
    assert house.client().get(presigned["url"]).status_code == 200


def test_bytes_are_sent_to_a_plain_url_by_who_may_write_to_the_flow(house: House, news: Tenant, sport: Tenant) -> None:
    (one,) = as_object(news.client.post(f"/flows/{news.flows[0]}/storage", json={"presigned": False}))["media_objects"]
    put = {"data": b"x", "content_type": one["put_url"]["content-type"]}
    url = one["put_url"]["url"]
    assert house.client().put(url, **put).status_code == 401
    assert house.client("reader of news").put(url, **put).status_code == 403
    refused, unknown = (sport.client.put(at, **put) for at in (url, url.replace(one["object_id"], "unknown")))
    assert refused.status_code == unknown.status_code == 400
    assert as_object(refused)["detail"] == as_object(unknown)["detail"].replace("unknown", one["object_id"])
    assert news.client.put(url, **put).status_code == 200


def test_an_object_of_another_cannot_be_used_in_a_flow_of_ones_own(news: Tenant, sport: Tenant) -> None:
    segment = {"object_id": sport.objects[0], "timerange": "[60:0_61:0)", "ts_offset": "60:0"}
    assert news.client.post(f"/flows/{news.flows[0]}/segments", json=segment).status_code == 404


def test_who_uses_what_is_allocated_for_anothers_flow_is_not_told_which(news: Tenant, sport: Tenant) -> None:
    segment = {"object_id": sport.objects[-1], "timerange": "[60:0_61:0)"}
    answer = news.client.post(f"/flows/{news.flows[0]}/segments", json=segment)
    assert answer.status_code == 400
    assert [one for one in sport.flows if one in answer.text] == []


def test_a_flow_of_another_cannot_be_collected(news: Tenant, sport: Tenant) -> None:
    flow = multi_flow(flow_collection=[{"id": sport.flows[0]}])
    answer = news.client.put(f"/flows/{flow['id']}", json=flow)
    assert (answer.status_code, as_object(answer)["detail"]) == (400, f"no flow {sport.flows[0]} to collect")
    members = [{"id": sport.flows[0]}]
    assert news.client.put(f"/flows/{news.flows[2]}/flow_collection", json=members).status_code == 400


def test_a_flow_of_a_source_of_anothers_cannot_be_created(news: Tenant, sport: Tenant) -> None:
    flow = video_flow(source_id=sport.sources[0])
    assert news.client.put(f"/flows/{flow['id']}", json=flow).status_code == 404


@pytest.mark.parametrize("field", ["flow_ids", "source_ids", "flow_collected_by_ids", "source_collected_by_ids"])
def test_a_webhook_for_what_is_anothers_cannot_be_created(news: Tenant, sport: Tenant, field: str) -> None:
    wanted = sport.flows[0] if "flow" in field else sport.sources[0]
    webhook = {"url": "https://a.example", "events": ["flows/updated"], field: [wanted]}
    assert news.client.post("/service/webhooks", json=webhook).status_code == 404


# --- classes ---------------------------------------------------------------------------------------------------------


def test_what_is_created_is_of_the_groups_of_who_creates_it(house: House, news: Tenant) -> None:
    both = house.client(BOTH).create_flow(video_flow())
    assert both["tags"] == {"auth_classes": [NEWS, SPORT]}
    assert as_object(news.client.get(f"/sources/{both['source_id']}"))["tags"] == {"auth_classes": [NEWS, SPORT]}
    of_source = news.client.create_flow(video_flow(source_id=both["source_id"]))
    assert of_source["tags"] == {"auth_classes": [NEWS, SPORT]}
    webhook = as_object(news.client.get(f"/service/webhooks/{news.webhook}"))
    assert webhook["tags"] == {"auth_classes": [NEWS]}


def test_what_is_replaced_keeps_its_classes(news: Tenant) -> None:
    flow = news.client.create_flow(video_flow())
    plain = {name: value for name, value in flow.items() if name != "tags"}
    assert news.client.put(f"/flows/{flow['id']}", json={**plain, "label": "x"}).status_code == 204
    assert as_object(news.client.get(f"/flows/{flow['id']}"))["tags"] == {"auth_classes": [NEWS]}


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        pytest.param([NEWS], (404, 404, 404), id="not-named"),
        pytest.param([NEWS, "sport_ro"], (200, 403, 403), id="to-read"),
        pytest.param([NEWS, "sport_rw"], (200, 204, 403), id="to-read-and-write"),
        pytest.param([NEWS, "sport"], (200, 204, 204), id="to-do-anything-with"),
    ],
)
def test_a_class_says_what_members_of_a_group_may_do(
    news: Tenant, sport: Tenant, classes: list[str], expected: tuple[int, int, int]
) -> None:
    flow = news.client.create_flow(video_flow(tags={"auth_classes": classes}))
    path = f"/flows/{flow['id']}"
    answers = (
        sport.client.get(path),
        sport.client.put(f"{path}/label", json="x"),
        sport.client.delete(path),
    )
    assert tuple(answer.status_code for answer in answers) == expected


def test_nobody_gives_or_takes_permissions_that_they_do_not_have(news: Tenant, sport: Tenant) -> None:
    flow = news.client.create_flow(video_flow(tags={"auth_classes": [NEWS, "sport_rw"]}))
    path = f"/flows/{flow['id']}/tags/auth_classes"
    for classes in ([NEWS, "sport"], ["sport_rw"], []):
        assert sport.client.put(path, json=classes).status_code == 403, classes
        changed = {**flow, "tags": {"auth_classes": classes}}
        assert sport.client.put(f"/flows/{flow['id']}", json=changed).status_code == 403, classes
    assert sport.client.delete(path).status_code == 403
    assert sport.client.put(path, json=[NEWS, "sport_rw", "drama_rw"]).status_code == 204
    assert news.client.put(path, json=[NEWS, "sport"]).status_code == 204
    assert sport.client.put(path, json=["sport"]).status_code == 204
    assert news.client.get(f"/flows/{flow['id']}").status_code == 404


def test_nobody_creates_what_they_could_not_change(news: Tenant) -> None:
    for classes in (["sport"], ["news_ro"], []):
        flow = video_flow(tags={"auth_classes": classes})
        assert news.client.put(f"/flows/{flow['id']}", json=flow).status_code == 403


def test_who_has_no_groups_may_do_what_their_scopes_say(house: House, news: Tenant, sport: Tenant) -> None:
    shown = as_list(house.client(ROOT).get("/flows?limit=1000"))
    assert {*news.flows, *sport.flows} - {one["id"] for one in shown} <= {news.flows[3], sport.flows[3]}


def test_what_a_flow_collects_is_shown_and_kept_though_some_of_it_is_hidden(
    house: House, news: Tenant, sport: Tenant
) -> None:
    """Otherwise who puts back what they were shown would take out what they were not."""
    members = [{"id": news.flows[0]}, {"id": sport.flows[0]}]
    flow = house.client(ROOT).create_flow(multi_flow(flow_collection=members, tags={"auth_classes": [NEWS]}))
    shown = as_object(news.client.get(f"/flows/{flow['id']}"))
    assert shown["flow_collection"] == members
    assert news.client.put(f"/flows/{flow['id']}", json={**shown, "label": "x"}).status_code == 204
    assert as_object(news.client.get(f"/flows/{flow['id']}"))["flow_collection"] == members
    assert "collected_by" in as_object(news.client.get(f"/flows/{news.flows[0]}"))
    assert flow["id"] not in as_object(sport.client.get(f"/flows/{sport.flows[0]}"))["collected_by"]
    playlist = news.client.get(f"/flows/{flow['id']}/hls.m3u8").text
    assert (news.flows[0] in playlist, sport.flows[0] in playlist) == (True, False)


def test_profiles_are_for_all(news: Tenant, sport: Tenant) -> None:
    profile_id = news.client.create_profile(profile(label="shared"))["id"]
    assert sport.client.get(f"/service/profiles/{profile_id}").status_code == 200


def test_a_deletion_is_followed_to_its_end_by_who_asked_for_it(news: Tenant, sport: Tenant, house: House) -> None:
    house.app.config["TAMS_STORE"].jobs.run_due()
    gone: Callable[[As], int] = lambda client: client.get(f"/flows/{news.flows[3]}").status_code  # noqa: E731
    assert gone(news.client) == 404
    assert as_object(news.client.get(f"/flow-delete-requests/{news.deletion}"))["status"] == "done"
    assert sport.client.get(f"/flow-delete-requests/{news.deletion}").status_code == 404


def test_tells_who_created_and_changed_a_thing(news: Tenant, house: House) -> None:
    flow = news.client.create_flow(video_flow())
    assert (flow["created_by"], flow["updated_by"]) == (NEWS, NEWS)
    house.client(BOTH).put(f"/flows/{flow['id']}/label", json="x")
    changed = as_object(news.client.get(f"/flows/{flow['id']}"))
    assert (changed["created_by"], changed["updated_by"]) == (NEWS, BOTH)
    source = as_object(news.client.get(f"/sources/{flow['source_id']}"))
    assert (source["created_by"], source["updated_by"]) == (NEWS, NEWS)
    request = as_object(news.client.get(f"/flow-delete-requests/{news.deletion}"))
    assert request["created_by"] == NEWS


def test_nobody_but_an_admin_says_that_another_did_it(news: Tenant, house: House) -> None:
    forged = {"created_by": "somebody", "updated_by": "somebody"}
    flow = news.client.create_flow(video_flow(**forged))
    assert (flow["created_by"], flow["updated_by"]) == (NEWS, NEWS)
    flow = as_object(news.client.post("/flows", json=video_flow(**forged)))
    assert (flow["created_by"], flow["updated_by"]) == (NEWS, NEWS)
    source = as_object(news.client.post("/sources", json={"format": flow["format"], **forged}))
    assert (source["created_by"], source["updated_by"]) == (NEWS, NEWS)
    assert news.client.create_profile(profile(created_by="somebody"))["created_by"] == NEWS
    flow = house.client(ROOT).create_flow(video_flow(**forged))
    assert (flow["created_by"], flow["updated_by"]) == ("somebody", "somebody")
