"""The paths below a source or a flow: its properties and its tags, each read, set and unset by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from flask import Response
from pydantic import BaseModel, RootModel, ValidationError

from api.conditional import conditional
from api.errors import given_in, said
from api.models.properties import BitRate, FlowCollection, TagsOf, TagValue, Text, Truth
from api.openapi import Routes, answers, one, takes
from api.paging import json
from api.validation import check_items, raw_body, validated
from tams_data.errors import InvalidInput, PropertyNotFound


@dataclass(frozen=True)
class Property:
    """A property: its name, what it is as JSON, and what it is where nobody has set it (None: not found)."""

    name: str
    words: str
    model: type[RootModel[Any]]
    unset: Any = None
    can_be_deleted: bool = True


LABEL = Property("label", "label", Text)
DESCRIPTION = Property("description", "description", Text)
READ_ONLY = Property("read_only", "read-only state", Truth, unset=False, can_be_deleted=False)
FLOW_COLLECTION = Property("flow_collection", "collection of flows", FlowCollection, unset=[])
MAX_BIT_RATE = Property("max_bit_rate", "maximum bit rate in 1000 bit/s", BitRate)
AVG_BIT_RATE = Property("avg_bit_rate", "average bit rate in 1000 bit/s", BitRate)


class _Path(Protocol):
    @property
    def resource_id(self) -> str: ...


class _TagPath(_Path, Protocol):
    name: str


@dataclass(frozen=True)
class Family:
    """What has properties: sources or flows.

    `shown` gives one by its id as it is shown. `change` takes an id, properties and tags to set, None unsetting one.
    """

    noun: str
    path: type[BaseModel]
    tag_path: type[BaseModel]
    shown: Callable[[str], Mapping[str, Any]]
    change: Callable[[str, Mapping[str, Any], Mapping[str, Any]], None]

    @property
    def rule(self) -> str:
        """The path of one of them."""
        return f"/{self.noun}s/<{self.noun}_id>"


def serve(bp: Routes, family: Family, properties: Iterable[Property]) -> None:
    """Add the operations of TAMS 8.2 on the tags and on these properties of a family."""
    _serve_tags(bp, family)
    _serve_tag(bp, family)
    for one_property in properties:
        _serve_property(bp, family, one_property)


def _serve_property(bp: Routes, family: Family, prop: Property) -> None:
    rule, what = f"{family.rule}/{prop.name}", f"the {prop.words} of a {family.noun}"

    def get(path: _Path) -> Response:
        found = family.shown(path.resource_id).get(prop.name, prop.unset)
        if found is None:
            raise PropertyNotFound(f"{family.noun} {path.resource_id} has no {prop.name}")
        return json(found)

    def put(path: _Path) -> Response:
        family.change(path.resource_id, {prop.name: _given(prop.model, prop.name)}, {})
        return Response(status=204)

    def delete(path: _Path) -> Response:
        family.change(path.resource_id, {prop.name: None}, {})
        return Response(status=204)

    def named(view: Callable[[Any], Response], verb: str) -> Callable[..., Response]:
        return _view(view, family.path, f"{view.__name__}_{family.noun}_{prop.name}", f"{verb} {what}.")

    bp.get(rule, responses=one(404, ok=prop.model))(conditional(named(get, "Get")))
    bp.put(rule, responses=_WRITTEN, openapi_extensions=takes(prop.model))(named(put, "Set"))
    if prop.can_be_deleted:
        bp.delete(rule, responses=_DELETED)(named(delete, "Unset"))


def _serve_tags(bp: Routes, family: Family) -> None:
    def get(path: _Path) -> Response:
        return json(family.shown(path.resource_id)["tags"])

    view = _view(get, family.path, f"get_{family.noun}_tags", f"Get the tags of a {family.noun}.")
    bp.get(f"{family.rule}/tags", responses=one(404, ok=TagsOf))(conditional(view))


def _serve_tag(bp: Routes, family: Family) -> None:
    rule, what = f"{family.rule}/tags/<text:name>", f"a tag of a {family.noun}"

    def get(path: _TagPath) -> Response:
        tags = family.shown(path.resource_id)["tags"]
        if path.name not in tags:
            raise PropertyNotFound(f"{family.noun} {path.resource_id} has no tag {path.name!r}")
        return json(tags[path.name])

    def put(path: _TagPath) -> Response:
        family.change(path.resource_id, {}, {path.name: _given(TagValue, f"tags.{path.name}")})
        return Response(status=204)

    def delete(path: _TagPath) -> Response:
        family.change(path.resource_id, {}, {path.name: None})
        return Response(status=204)

    def named(view: Callable[[Any], Response], verb: str) -> Callable[..., Response]:
        return _view(view, family.tag_path, f"{view.__name__}_{family.noun}_tag", f"{verb} {what}.")

    bp.get(rule, responses=one(404, ok=TagValue))(conditional(named(get, "Get")))
    bp.put(rule, responses=_WRITTEN, openapi_extensions=takes(TagValue))(named(put, "Set"))
    bp.delete(rule, responses=_DELETED)(named(delete, "Take away"))


_WRITTEN = answers(400, 403, 404, status=204, description="It is set")
_DELETED = answers(400, 403, 404, status=204, description="It is not set any more")


def _view(view: Callable[[Any], Response], path: type[BaseModel], name: str, docstring: str) -> Callable[..., Response]:
    """A view as if it had been written for one path: what the document and the reading of requests go by."""
    view.__name__, view.__doc__ = name, docstring
    view.__annotations__["path"] = path
    return validated(view)


def _given(model: type[RootModel[Any]], name: str) -> Any:
    """The body as the value of a property.

    :raise InvalidInput: it is none, by the name of the property.
    """
    try:
        given = model.model_validate_json(raw_body())
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(map(str, (name, *fault["loc"])))
        raise InvalidInput(f"{where}: {said(fault)}", field=where, value=given_in(fault)) from error
    check_items(given, name)
    return given.model_dump(exclude_none=True)
