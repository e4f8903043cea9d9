"""`/objects/{id}`: whatever is in the id; who refers to it, and where its bytes are."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.api.builders import Json, fragmented_flow, new_id, video_flow
from tests.api.client import Catalogue, CheckedClient, as_object

NO_BACKEND = "00000000-0000-4000-8000-000000000000"
UNCONTROLLED = [{"url": "https://elsewhere.example/a.ts", "label": "elsewhere"}]

ANY_IDS = [
    *("a/b", "/a", "a/", "/", "//", "a//b", "///a///"),
    *("..", ".", "../x", "./x", "a/../b", "a/.", "a/..", "../../etc/passwd"),
    *("a?b=c&d", "a#b", "a b", "a+b", "a;b", "a:b", "a@b", "~a", "a=b", "a,b", "a|b", "a\\b", "*"),
    *("%", "%41", "a%2Fb", "%zz", "%25", "%00"),
    *("\u00e9", "e\u0301", "日本", "😀", "\u200b", "\u202ea", "ß", "İ", "\ufeffa", "\U0010ffff"),
    *("\n", "a\nb", "a\n", "\r\n", "\t", " ", " a ", "\x7f", "a\0b", "\0"),
    *("https://example.com/a?b#c", "'\"<>&", '{"a":1}', "instances", "a/instances", "null", "x" * 4096),
]
"""Object ids as nobody should choose them, and somebody will."""


@pytest.fixture
def flow(client: CheckedClient) -> str:
    """The id of a video flow."""
    flow_id: str = client.create_flow(video_flow())["id"]
    return flow_id


def test_object_is_shown_with_all_that_is_known_of_it(client: CheckedClient, flow: str) -> None:
    (object_id,) = client.allocate(flow)
    client.register(
        flow,
        {
            "object_id": object_id,
            "timerange": "[10:0_20:0)",
            "ts_offset": "10:0",
            "object_timerange": "[0:0_12:0]",
            "key_frame_count": 0,
            "get_urls": UNCONTROLLED,
        },
    )
    controlled = {"label": "local", "url": f"http://localhost/media/{object_id}", "presigned": False}
    assert as_object(client.get_object(object_id, presigned="false")) == {
        "id": object_id,
        "referenced_by_flows": [flow],
        "first_referenced_by_flow": flow,
        "timerange": "[0:0_12:0]",
        "key_frame_count": 0,
        "get_urls": [controlled, {**UNCONTROLLED[0], "presigned": False}],
    }


def test_object_elsewhere_has_the_urls_that_were_given(client: CheckedClient, flow: str) -> None:
    client.register(flow, {"object_id": "a", "timerange": "[0:0_1:0)", "get_urls": UNCONTROLLED})
    assert as_object(client.get_object("a")) == {
        "id": "a",
        "referenced_by_flows": [flow],
        "first_referenced_by_flow": flow,
        "timerange": "[0:0_1:0)",
        "get_urls": [{**UNCONTROLLED[0], "presigned": False}],
    }


@pytest.mark.parametrize("state", ["never heard of", "allocated", "uploaded", "deleted"])
def test_object_that_no_segment_uses_is_not_found(client: CheckedClient, flow: str, state: str) -> None:
    object_id = new_id()
    if state == "uploaded":
        object_id = client.upload(flow, b"bytes")
    elif state != "never heard of":
        client.allocate(flow, object_id)
    if state == "deleted":
        client.register(flow, {"object_id": object_id, "timerange": "[0:0_1:0)"})
        assert client.get_object(object_id).status_code == 200
        client.delete(f"/flows/{flow}/segments")
    assert client.get_object(object_id).status_code == 404


@pytest.mark.parametrize("object_id", ANY_IDS, ids=lambda one: repr(one)[:30])
def test_object_id_may_be_any_text(shared_client: CheckedClient, object_id: str) -> None:
    client = shared_client
    flow_id = client.create_flow(video_flow())["id"]
    assert client.allocate(flow_id, object_id) == [object_id]
    assert client.get_object(object_id).status_code == 404
    client.register(flow_id, {"object_id": object_id, "timerange": "[0:0_1:0)"})
    found = as_object(client.get_object(object_id))
    assert (found["id"], found["referenced_by_flows"]) == (object_id, [flow_id])
    (segment,) = client.segments(flow_id, object_id=object_id)
    assert segment["object_id"] == object_id
    assert client.head(f"/objects/{quote(object_id, safe='')}").status_code == 200
    assert client.delete(f"/flows/{flow_id}/segments", query_string={"object_id": object_id}).status_code == 204
    assert client.get_object(object_id).status_code == 404


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text(min_size=1, max_size=40))
@example("\ud7ff")
def test_object_id_of_any_characters_comes_back(shared_client: CheckedClient, object_id: str) -> None:
    flow_id = shared_client.create_flow(video_flow())["id"]
    shared_client.allocate(flow_id, object_id)
    shared_client.register(flow_id, {"object_id": object_id, "timerange": "[0:0_1:0)"})
    assert as_object(shared_client.get_object(object_id))["id"] == object_id
    shared_client.delete(f"/flows/{flow_id}")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a", "A"),
        ("\u00e9", "e\u0301"),
        ("a", "a "),
        ("a/b", "a//b"),
        ("a", "/a"),
        ("a%2Fb", "a/b"),
        ("a+b", "a b"),
        ("a", "a\0"),
    ],
)
def test_ids_that_look_alike_are_two(client: CheckedClient, flow: str, one: str, other: str) -> None:
    client.allocate(flow, one)
    client.register(flow, {"object_id": one, "timerange": "[0:0_1:0)"})
    assert client.get_object(other).status_code == 404
    assert client.allocate(flow, other) == [other]


# --- who refers to it ------------------------------------------------------------------------------------------------

SHARED = "shared/object"

FLOW_IDS = {name: f"{name * 8}-0000-4000-8000-000000000000" for name in "abcdef"}


@pytest.fixture(scope="module")
def referring(shared_client: CheckedClient) -> Catalogue:
    """Flows a to e, of which all but d use the shared object; c was the first, and uses it twice."""
    tags: dict[str, Json] = {
        "a": {"edit": "news"},
        "b": {"edit": ["news", "sport"]},
        "c": {},
        "d": {"edit": "news"},
        "e": {"edit": "sport", "draft": "yes"},
    }
    for name, one in tags.items():
        shared_client.create_flow(video_flow(id=FLOW_IDS[name], tags=one))
    segment = {"object_id": SHARED, "timerange": "[0:0_1:0)", "get_urls": UNCONTROLLED}
    shared_client.register(FLOW_IDS["c"], segment)
    again = {"object_id": SHARED, "timerange": "[5:0_6:0)", "ts_offset": "5:0"}
    for name in "ecba":
        shared_client.register(FLOW_IDS[name], again)
    return Catalogue(shared_client, f"/objects/{quote(SHARED, safe='')}", {n: FLOW_IDS[n] for n in tags})


def referring_names(referring: Catalogue, query: str) -> str:
    """The names of the flows that refer to the shared object, in order."""
    response = referring.client.get(f"{referring.path}?{query}")
    assert response.status_code == 200, response.text
    return referring.names({"id": id_} for id_ in as_object(response)["referenced_by_flows"])


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param("", "abce", id="all, by id, each once"),
        pytest.param("flow_tag.edit=news", "ab", id="a tag that is text or in a list"),
        pytest.param("flow_tag.edit=news,sport", "abe", id="one of several values"),
        pytest.param("flow_tag.edit=new", "", id="not part of a value"),
        pytest.param("flow_tag.edit=sport&flow_tag.draft=yes", "e", id="two tags, both"),
        pytest.param("flow_tag_exists.edit=true", "abe", id="has a tag"),
        pytest.param("flow_tag_exists.edit=false", "c", id="has not"),
        pytest.param("flow_tag_exists.edit=true&flow_tag_exists.draft=false", "ab", id="has one and not the other"),
        pytest.param("access_token=secret", "abce", id="a token is no filter"),
        pytest.param("limit=2", "ab", id="as many as are wanted"),
    ],
)
def test_flows_that_refer_to_an_object(referring: Catalogue, query: str, expected: str) -> None:
    assert referring_names(referring, query) == expected


def test_first_flow_stays_the_first(referring: Catalogue) -> None:
    assert as_object(referring.client.get(referring.path))["first_referenced_by_flow"] == FLOW_IDS["c"]


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5])
def test_flows_that_refer_to_an_object_come_in_pages(referring: Catalogue, limit: int) -> None:
    pages = list(referring.client.walk(f"{referring.path}?limit={limit}&accept_get_urls="))
    found = [id_ for page in pages for id_ in as_object(page)["referenced_by_flows"]]
    assert referring.names({"id": id_} for id_ in found) == "abce"
    assert {page.headers["X-Paging-Limit"] for page in pages} == {str(limit)}
    assert [int(page.headers["X-Paging-Count"]) for page in pages][:-1] == [limit] * (len(pages) - 1)
    assert len(pages) == -(-4 // limit)


def test_pages_of_referring_flows_keep_to_the_filter(referring: Catalogue) -> None:
    pages = list(referring.client.walk(f"{referring.path}?limit=1&flow_tag_exists.edit=true"))
    assert [as_object(page)["referenced_by_flows"] for page in pages] == [[FLOW_IDS[name]] for name in "abe"]


@pytest.mark.parametrize("object_id", ["/a", "a?b=c&d", "a#b", "%41", "日本", "a b", "..", "a\nb"], ids=repr)
def test_link_to_the_next_page_has_the_id_escaped(client: CheckedClient, object_id: str) -> None:
    flows = sorted(client.create_flow(video_flow())["id"] for _ in range(2))
    for flow_id in flows:
        urls = {"get_urls": UNCONTROLLED}
        client.register(flow_id, {"object_id": object_id, "timerange": "[0:0_1:0)", **urls})
    pages = list(client.walk(f"/objects/{quote(object_id, safe='')}?limit=1"))
    assert [as_object(page)["referenced_by_flows"] for page in pages] == [[flow_id] for flow_id in flows]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("verbose_storage=yes", "verbose_storage"),
        ("accept_get_urls=,a", "accept_get_urls"),
        ("accept_storage_ids=x", "accept_storage_ids"),
        ("presigned=", "presigned"),
        ("flow_tag_exists.a=1", "flow_tag_exists.a"),
        ("flow_tag=a", "flow_tag"),
        ("storage_backend_tag_exists.a=x", "storage_backend_tag_exists.a"),
        (f"accept_storage_ids={NO_BACKEND}&storage_backend_tag_exists.a=x", "storage_backend_tag_exists.a"),
        ("limit=0", "limit"),
        ("page=x", "page"),
        ("tag.a=b", "tag.a"),
        ("timerange=_", "timerange"),
        ("reverse_order=true", "reverse_order"),
        ("presigned=true&presigned=true", "presigned"),
    ],
)
def test_object_refuses_a_bad_parameter_by_its_name(referring: Catalogue, query: str, field: str) -> None:
    response = referring.client.get(f"{referring.path}?{query}")
    assert (response.status_code, as_object(response)["field"]) == (400, field)


# --- initialisation objects ------------------------------------------------------------------------------------------


def test_initialisation_object_is_an_object(client: CheckedClient) -> None:
    flow_id = client.create_flow(fragmented_flow())["id"]
    client.allocate(flow_id, "init", "media")
    assert client.get_object("init").status_code == 404
    client.register(flow_id, {"object_id": "media", "init_object_id": "init", "timerange": "[0:0_1:0)"})
    urls = [{"label": "local", "url": "http://localhost/media/init", "presigned": False}]
    init = as_object(client.get_object("init", presigned="false"))
    assert init == {
        "id": "init",
        "referenced_by_flows": [flow_id],
        "first_referenced_by_flow": flow_id,
        "get_urls": urls,
    }
    found = as_object(client.get_object("media", presigned="false"))
    assert found["init_object"] == {"id": "init", "get_urls": urls}
    assert as_object(client.get_object("media", accept_get_urls=""))["init_object"] == {"id": "init"}


# --- deletion --------------------------------------------------------------------------------------------------------


def test_object_stays_while_a_segment_uses_it(client: CheckedClient, flow: str) -> None:
    other = client.create_flow(video_flow())["id"]
    object_id = client.upload(flow, b"bytes")
    use = {"object_id": object_id, "timerange": "[0:0_1:0)"}
    client.register(flow, use, {**use, "timerange": "[1:0_2:0)", "ts_offset": "1:0"})
    client.register(other, use)
    (url,) = as_object(client.get_object(object_id, presigned="true"))["get_urls"]

    client.delete(f"/flows/{flow}/segments?timerange=[0:0_1:0)")
    assert as_object(client.get_object(object_id))["referenced_by_flows"] == sorted([flow, other])
    client.delete(f"/flows/{flow}/segments?timerange=[1:0_2:0)")
    assert as_object(client.get_object(object_id))["referenced_by_flows"] == [other]
    assert as_object(client.get_object(object_id))["first_referenced_by_flow"] == flow
    assert client.get(url["url"]).data == b"bytes"
    client.delete(f"/flows/{other}")
    assert client.get_object(object_id).status_code == 404
    assert client.get(url["url"]).status_code == 404


def test_initialisation_object_stays_while_an_object_needs_it(client: CheckedClient) -> None:
    flow_id = client.create_flow(fragmented_flow())["id"]
    client.allocate(flow_id, "init", "a", "b")
    for i, object_id in enumerate("ab"):
        timerange = f"[{i}:0_{i + 1}:0)"
        client.register(flow_id, {"object_id": object_id, "init_object_id": "init", "timerange": timerange})
    client.delete(f"/flows/{flow_id}/segments?object_id=a")
    assert [client.get_object(one).status_code for one in ("a", "b", "init")] == [404, 200, 200]
    client.delete(f"/flows/{flow_id}/segments?object_id=b")
    assert [client.get_object(one).status_code for one in ("a", "b", "init")] == [404, 404, 404]


def test_id_of_a_deleted_object_can_be_used_anew(client: CheckedClient, flow: str) -> None:
    client.allocate(flow, "a")
    client.register(flow, {"object_id": "a", "timerange": "[0:0_1:0)", "key_frame_count": 1})
    client.delete(f"/flows/{flow}/segments")
    client.allocate(flow, "a")
    client.register(flow, {"object_id": "a", "timerange": "[5:0_7:0)", "key_frame_count": 2})
    found = as_object(client.get_object("a"))
    assert (found["timerange"], found["key_frame_count"]) == ("[5:0_7:0)", 2)
