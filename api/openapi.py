"""The OpenAPI document, from the code: what flask-openapi3 collects of the views, and what HTTP adds to each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import cache, partial
from threading import Lock
from typing import Any
from urllib.parse import quote

from flask_openapi3 import APIBlueprint, Info, OpenAPI, Tag
from flask_openapi3.types import ParametersTuple
from flask_openapi3.utils import parse_parameters
from flask_openapi3_redoc.plugins import RegisterPlugin as Redoc
from flask_openapi3_swagger.plugins import RegisterPlugin as SwaggerUI
from pydantic import BaseModel
from werkzeug.routing import BaseConverter

from api.access import described
from api.access.authentication import Authentication
from api.models.answers import Problem
from api.models.common import LEFT_OUT
from tams_data import __version__

API_VERSION = "8.2"

TEXT = {"type": "string"}
WHOLE = {"type": "integer"}
PAGING_HEADERS = {
    "Link": {"description": "The next page, as `rel=next`; absent on the last page", "schema": TEXT},
    "X-Paging-Limit": {"description": "Most items on a page, as applied", "schema": WHOLE},
    "X-Paging-Count": {"description": "Items on this page", "schema": WHOLE},
    "X-Paging-NextKey": {"description": "Token of the next page; absent on the last page", "schema": TEXT},
    "X-Paging-Reverse-Order": {"description": "Whether the order is reversed", "schema": {"type": "boolean"}},
}
SEGMENT_HEADERS = {
    **PAGING_HEADERS,
    "X-Paging-Timerange": {"description": "From the first to the last segment of this page", "schema": TEXT},
}
LOCATION = {"Location": {"description": "The deletion request", "schema": TEXT}}

ETAG_HEADERS = {"ETag": {"description": "Another whenever another is shown, for `If-None-Match`", "schema": TEXT}}
LOCATION_HEADERS = {"Location": {"description": "Where it is", "schema": TEXT}}

SECURITY_SCHEMES: dict[str, Any] = {
    "bearer_token_auth": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "url_token_auth": {"type": "apiKey", "in": "query", "name": "access_token"},
    "basic_auth": {"type": "http", "scheme": "basic"},
}

_PROBLEMS = {
    400: "The request is not valid: `field` and `value` say what of it",
    403: "The resource may not be modified, by anyone or by this caller",
    404: "What the path names does not exist",
    409: "What the body names exists already",
    412: "The resource is not what `If-Match` names",
}


class _AnyText(BaseConverter):
    """The rest of a path, whatever it is: an object id may begin with a slash, or have line ends in it."""

    part_isolating = False
    regex = "(?s:.+)"
    weight = 200

    def to_url(self, value: str) -> str:
        """All of it escaped, slashes as well, as clients are to write it (TAMS 8.2, GET objects)."""
        return quote(value, safe="")


class Routes(APIBlueprint):
    """The routes of one resource, which are described when somebody asks for the document.

    To describe those of all takes half a second, which a service is not to take before it answers.
    """

    def __init__(self, name: str, tag: Tag) -> None:
        super().__init__(name, name, abp_tags=[tag], operation_id_callback=operation_id)
        self._undescribed: list[Callable[[], object]] = []

    def _collect_openapi_info(self, rule: str, func: Callable[..., Any], **given: Any) -> ParametersTuple:
        self._undescribed.append(partial(self._collect, rule, func, given))
        return parse_parameters(func, doc_ui=False)

    def _collect(self, rule: str, func: Callable[..., Any], given: Mapping[str, Any]) -> None:
        super()._collect_openapi_info(rule, func, **with_schemas(given))

    def describe(self) -> None:
        """Describe the routes that are not described yet."""
        while self._undescribed:
            self._undescribed[0]()
            del self._undescribed[0]


_describing = Lock()
"""Routes are described by one thread at a time: those of a module belong to every application of the process."""


class Api(OpenAPI):
    """A Flask application that describes itself at `/openapi.json`, and for people at `/docs` and `/redoc`.

    The files of Swagger UI and of ReDoc come from installed packages: the pages need no internet.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name, info=_info(), security_schemes=SECURITY_SCHEMES, doc_ui=False)
        self._routes: list[Routes] = []
        self.url_map.merge_slashes = False
        self.url_map.converters["text"] = _AnyText
        self.add_url_rule("/openapi.json", view_func=lambda: self.api_doc, endpoint="openapi")
        self.register_blueprint(SwaggerUI.register(doc_url="openapi.json"))
        self.add_url_rule("/docs", view_func=self.view_functions["swagger.swagger"], endpoint="docs")
        self.register_blueprint(Redoc.register(doc_url="openapi.json"))

    def register_routes(self, routes: Routes) -> None:
        """Serve these routes, and describe them."""
        self._routes.append(routes)
        self.register_blueprint(routes)

    @property
    def api_doc(self) -> dict[str, Any]:
        """The document."""
        with _describing:
            return super().api_doc

    def generate_spec_json(self) -> None:
        """Describe all routes, and add to each GET the HEAD that answers like it, without a body."""
        for routes in self._routes:
            routes.describe()
            self.tags += routes.tags
            self.paths.update(routes.paths)
            self.components_schemas.update(routes.components_schemas)
        super().generate_spec_json()  # type: ignore[no-untyped-call]
        # Validation errors are the API's own problems; flask-openapi3 would document its own form of them.
        self.spec_json["components"]["schemas"].pop(self.validation_error_model.__name__, None)
        for item in self.spec_json["paths"].values():
            for operation in item.values():
                operation["responses"].pop(self.validation_error_status, None)
                operation.update(_described(operation.pop("description", "")))
                self._say_whether_needed(operation.get("requestBody"))
            if "get" in item:
                item["head"] = _head(item["get"])
        authentication: Authentication = self.config["TAMS_ACCESS"]
        problems = with_schemas({status: as_problem(why) for status, why in described.OTHERS.items()})
        described.describe(self.spec_json, authentication.modes, problems)
        self.spec_json = _whole_numbers(self.spec_json)

    def _say_whether_needed(self, body: dict[str, Any] | None) -> None:
        """A body is needed unless its model says that it may be left out, see `api.validation`."""
        if body is not None and "application/json" in body["content"]:
            schema = body["content"]["application/json"]["schema"]
            name = schema.get("$ref", "").rpartition("/")[2]
            model = self.spec_json["components"]["schemas"].get(name, schema)
            body["required"] = not model.items() >= LEFT_OUT.items()


def _whole_numbers(node: Any) -> Any:
    """The document with integers as such: flask-openapi3 makes 9.223372036854776e+18 of the bound 2**63."""
    if isinstance(node, dict):
        return {key: _whole_numbers(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_whole_numbers(one) for one in node]
    return int(node) if isinstance(node, float) and node.is_integer() else node


def _described(docstring: str) -> dict[str, str]:
    """The description in a docstring: what its `:raise` lines say, the responses say to clients."""
    text = docstring.partition(":raise")[0].replace("<br/>", " ").strip()
    return {"description": text} if text else {}


def _head(get: dict[str, Any]) -> dict[str, Any]:
    head = deepcopy(get)
    head["operationId"] = f"{get['operationId']}_head"
    for response in head["responses"].values():
        response.pop("content", None)
    return head


def _info() -> Info:
    """What the document says of the service."""
    return Info(
        title="Time-addressable media store",
        version=API_VERSION,
        description=f"A TAMS {API_VERSION} service, version {__version__}.",
    )


def operation_id(*, name: str, **_: str) -> str:
    """The name of the view is the name of the operation."""
    return name


def blueprint(name: str, description: str) -> Routes:
    """The routes of one resource, of which there are none yet."""
    return Routes(name, Tag(name=name.capitalize(), description=description))


def takes(model: type[BaseModel]) -> dict[str, Any]:
    """What documents the body of a view that reads it by itself."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": model}}}}


def accepted(model: type[BaseModel]) -> dict[str, Any]:
    """The 202 of a deletion that takes longer than a request."""
    return {
        "description": "The deletion is carried out in the background",
        "headers": LOCATION,
        "content": {"application/json": {"schema": model}},
    }


def answers(
    *problems: int,
    ok: type[BaseModel] | None = None,
    status: int = 200,
    description: str = "Success",
    headers: dict[str, Any] | None = None,
    **more: dict[str, Any],
) -> dict[Any, Any]:
    """The responses of an operation: the good one, the `problems` by status, and `more` by `status_NNN`."""
    good: dict[str, Any] = {"description": description}
    if ok is not None:
        good["content"] = {"application/json": {"schema": ok}}
    if headers:
        good["headers"] = headers
    bad = {code: as_problem(_PROBLEMS[code]) for code in problems}
    return {status: good, **bad, **{int(key.removeprefix("status_")): value for key, value in more.items()}}


def as_problem(description: str, model: type[Problem] = Problem) -> dict[str, Any]:
    """A response that is a problem (RFC 9457)."""
    return {"description": description, "content": {"application/problem+json": {"schema": model}}}


def one(*problems: int, ok: type[BaseModel], headers: dict[str, Any] | None = None) -> dict[Any, Any]:
    """The responses of the GET of one resource, whose view is `conditional`."""
    not_modified = {"description": "It is still what `If-None-Match` names"}
    return answers(*problems, ok=ok, headers={**ETAG_HEADERS, **(headers or {})}, status_304=not_modified)


def with_schemas(node: Any) -> Any:
    """What stands in a document, with the schemas of models in the places of the models."""
    if isinstance(node, dict):
        return {key: with_schemas(value) for key, value in node.items()}
    return _schema(node) if isinstance(node, type) and issubclass(node, BaseModel) else node


@cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return _inlined(model.model_json_schema(by_alias=True, mode="serialization"))


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with its definitions in the places that refer to them: none of ours is recursive."""
    definitions = schema.pop("$defs", {})

    def resolve(node: Any) -> Any:
        if isinstance(node, dict):
            reference = node.get("$ref")
            if reference is not None:
                return resolve(definitions[reference.rsplit("/", 1)[-1]])
            return {key: resolve(value) for key, value in node.items()}
        return [resolve(one) for one in node] if isinstance(node, list) else node

    return dict(resolve(schema))
