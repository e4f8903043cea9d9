"""`/objects/{id}/instances`: further places where the bytes of an object are."""

from __future__ import annotations

from typing import Any

from flask import Response
from pydantic import ConfigDict, Field, model_validator

from api.models.common import Body, Uuid
from api.openapi import answers, blueprint
from api.paths import ObjectPath
from api.state import store
from api.validation import Query, validated
from tams_data.errors import InvalidInput

bp = blueprint("instances", "Where the bytes of objects are")


_BACKEND_OR_URL: list[Any] = [
    {"required": ["storage_id"], "properties": {"storage_id": {"type": "string"}}},
    {"required": ["url", "label"], "properties": {name: {"type": "string"} for name in ("url", "label")}},
]
"""What `_one_of_backend_and_url` checks, for the OpenAPI document."""


class InstancePost(Body):
    """A place for the bytes of an object: a storage backend to copy them to, or a URL where they are."""

    model_config = ConfigDict(json_schema_extra={"oneOf": _BACKEND_OR_URL})

    storage_id: Uuid | None = Field(None, description="Storage backend to copy the object to")
    url: str | None = Field(None, min_length=1, description="URL at which the object is, outside this service")
    label: str | None = Field(None, min_length=1, description="Label of the URL, which nothing else of the object has")

    @model_validator(mode="after")
    def _one_of_backend_and_url(self) -> InstancePost:
        if (self.storage_id is not None) == (self.url is not None and self.label is not None):
            raise ValueError("an instance has either a storage_id, or a url and a label")
        return self


class InstanceQuery(Query):
    """Which instance is meant: one of both is given."""

    storage_id: str | None = Field(None, description="The instance on this storage backend")
    label: str | None = Field(None, description="The instance with this label")


@bp.post(
    "/objects/<text:object_id>/instances",
    responses=answers(400, 403, 404, status=201, description="The instance is registered, or being copied"),
)
@validated
def post_object_instances(path: ObjectPath, body: InstancePost) -> Response:
    """Have an object copied to a further storage backend, or add a URL at which it is.

    A copy is among the `get_urls` of the object once it is whole.

    :raise ObjectNotFound: no object with this id is registered.
    :raise InvalidInput: the object is there already, or on its way; the label is taken; or there is no such backend.
    """
    if body.storage_id is not None:
        store().copy_object(path.object_id, body.storage_id)
    else:
        store().add_url(path.object_id, str(body.url), str(body.label))
    return Response(status=201)


@bp.delete(
    "/objects/<text:object_id>/instances",
    responses=answers(400, 403, 404, status=204, description="The instance is deleted"),
)
@validated
def delete_object_instances(path: ObjectPath, query: InstanceQuery) -> Response:
    """Delete an instance of an object: not the last one. A copy that is under way is called off.

    :raise ObjectNotFound: no object with this id is registered.
    :raise InvalidInput: it is not said which, there is no such instance, or it is the last one.
    """
    if (query.storage_id is None) == (query.label is None):
        given = {"storage_id": query.storage_id, "label": query.label}
        raise InvalidInput("either storage_id or label is given", field="storage_id", value=given)
    store().remove_instance(path.object_id, storage_id=query.storage_id, label=query.label)
    return Response(status=204)
