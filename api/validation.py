"""Requests read once, strictly: a view gets its query and body as models, or the client a 400 that names the fault."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, ClassVar, TypeVar, get_type_hints

from flask import request
from pydantic import BaseModel, ConfigDict, PrivateAttr, RootModel, ValidationError
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from api.models.common import LEFT_OUT
from api.state import intake, settings
from tams_data.errors import InvalidInput, NotFound

F = TypeVar("F", bound=Callable[..., Any])
Q = TypeVar("Q", bound="Query")

FAMILY = ".{name}"


class Query(BaseModel):
    """The query parameters of an operation.

    A field whose alias ends in `.{name}` documents a family of parameters, `tag.{name}` say; the parameters given of
    a family are in `named(family)`. Any other parameter that is not a field is refused: a misspelt filter would
    otherwise be a full listing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    families: ClassVar[frozenset[str]] = frozenset()
    _named: dict[str, dict[str, str]] = PrivateAttr(default_factory=dict)

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        aliases = (field.alias or "" for field in cls.model_fields.values())
        cls.families = frozenset(alias.removesuffix(FAMILY) for alias in aliases if alias.endswith(FAMILY))

    @classmethod
    def of_request(cls: type[Q]) -> Q:
        """The query of the present request.

        :raise ValidationError, InvalidInput: a parameter is unknown, given twice, or has a bad value.
        """
        plain: dict[str, str] = {}
        named: dict[str, dict[str, str]] = {family: {} for family in cls.families}
        for key, values in request.args.lists():
            if len(values) > 1:
                raise InvalidInput(f"{key} is given {len(values)} times", field=key, value=values)
            family, dot, name = key.partition(".")
            if dot and family in named:
                named[family][name] = values[0]
            else:
                plain[key] = values[0]
        query = cls.model_validate(plain)
        query._named.update(named)
        return query

    def named(self, family: str) -> dict[str, str]:
        """The parameters given of a family: by what stands after the dot, its value."""
        return self._named.get(family, {})


def validated(view: F) -> F:
    """A view whose `path`, `query` and `body` are read from the request by the models they are annotated with.

    A path that its model refuses names nothing: 404. What changes something and has no parameters refuses any: a flow
    that is to be deleted for a time range would be deleted whole.
    """
    hints = get_type_hints(view)
    path_model, query_model, body_model = hints.get("path"), hints.get("query"), hints.get("body")

    @wraps(view)
    def wrapper(**variables: str) -> Any:
        arguments: dict[str, Any] = {}
        if path_model is not None:
            arguments["path"] = _path(path_model, variables)
        if query_model is not None:
            arguments["query"] = query_model.of_request()
        elif request.method not in ("GET", "HEAD"):
            _check_no_parameters()
        if body_model is not None:
            arguments["body"] = _body(body_model)
        return view(**arguments)

    # flask-openapi3 reads the annotations for the document and leaves validation to the view that says this.
    wrapper.__delay_validate_request__ = True  # type: ignore[attr-defined]
    return wrapper  # type: ignore[return-value]


def _check_no_parameters() -> None:
    for name, value in request.args.items():
        raise InvalidInput(f"{name}: there is no such parameter here", field=name, value=value)


def _path(model: type[BaseModel], variables: dict[str, str]) -> BaseModel:
    try:
        return model.model_validate(variables)
    except ValidationError as error:
        fault = error.errors()[0]
        raise NotFound(f"{fault['loc'][0]} {fault['input']!r} in the path: {fault['msg']}") from error


def _body(model: type[BaseModel]) -> BaseModel:
    data = raw_body()
    extra = model.model_config.get("json_schema_extra")
    optional = isinstance(extra, dict) and extra.items() >= LEFT_OUT.items()
    body = model.model_validate({}) if not data and optional else model.model_validate_json(data)
    check_items(body)
    return body


def check_items(value: object, field: str = "") -> None:
    """Refuse what has an array or an object of too many items in it, as a whole or somewhere below.

    :raise InvalidInput: there is one, by the name of the property.
    """
    named: Iterable[tuple[object, object]] = ()
    if isinstance(value, BaseModel):
        named = (("" if isinstance(value, RootModel) else name, one) for name, one in value)
    elif isinstance(value, dict | list):
        most = settings().max_items
        if len(value) > most:
            where = field or "body"
            raise InvalidInput(
                f"{where} has {len(value)} items; at most {most} are taken", field=where, value=len(value)
            )
        named = value.items() if isinstance(value, dict) else enumerate(value)
    for name, one in named:
        if isinstance(one, BaseModel | dict | list):
            check_items(one, f"{field}.{name}".strip("."))


def check_query_text() -> None:
    """Refuse a query with bytes that are no text: reading its parameters would fail.

    :raise InvalidInput: it is not UTF-8.
    """
    try:
        request.query_string.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(f"the query is not UTF-8: {error.reason} at byte {error.start}") from error


def raw_body() -> bytes:
    """The JSON body as it came.

    :raise RequestEntityTooLarge: it is larger than the service takes.
    :raise UnsupportedMediaType: it says it is something else than JSON, or compressed.
    :raise TooManyBodies: as many come in as may at once.
    """
    most = settings().max_body
    if (request.content_length or 0) > most:
        raise RequestEntityTooLarge(f"the body has {request.content_length} bytes; at most {most} are taken")
    if request.mimetype not in ("application/json", "", "application/x-www-form-urlencoded"):
        raise UnsupportedMediaType(f"a JSON body is application/json, not {request.mimetype}")
    encoding = request.headers.get("Content-Encoding", "identity").lower()
    if encoding != "identity":
        raise UnsupportedMediaType(f"a JSON body is taken as it is, not in the encoding {encoding}")
    with intake().body():
        data = request.stream.read(most + 1)
    if len(data) > most:
        raise RequestEntityTooLarge(f"the body has more than {most} bytes")
    return data
