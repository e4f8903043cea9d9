"""The REST API, a page for each resource, from the OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from docs.generated.markdown import code, paragraphs, table

_BODIES = "bodies.md"
_LINK = "#/components/schemas/"
_METHODS = ("get", "post", "put", "patch", "delete")
_PROBLEM = "application/problem+json"


@dataclass(frozen=True)
class Operation:
    """A method on a path, with what the document says of it."""

    method: str
    path: str
    said: Mapping[str, Any]

    @property
    def id(self) -> str:
        """The name of the operation, and of its place on the page."""
        return str(self.said["operationId"])

    @property
    def resource(self) -> str:
        """The resource whose page it is on."""
        return str(self.said["tags"][0])

    @property
    def scopes(self) -> list[str]:
        """The scopes one of which it takes, as `read`; none: it asks nobody who they are."""
        roles = [role for way in self.said["security"] for wanted in way.values() for role in wanted]
        return list(dict.fromkeys(role.rpartition("/")[2] for role in roles))


def operations(document: Mapping[str, Any]) -> Iterator[Operation]:
    """Every operation but HEAD, which answers like GET without a body wherever there is a GET."""
    for path, item in document["paths"].items():
        yield from (Operation(method.upper(), path, item[method]) for method in _METHODS if method in item)


def file_of(resource: str) -> str:
    """The file of a resource's page.

    >>> file_of("Deletion requests")
    'deletion-requests.md'
    """
    return f"{resource.lower().replace(' ', '-')}.md"


def pages(document: Mapping[str, Any]) -> dict[str, str]:
    """By file, the pages: one of each resource, and one of the bodies that requests have."""
    found = list(operations(document))
    made = {}
    for tag in document["tags"]:
        own = [one for one in found if one.resource == tag["name"]]
        made[file_of(tag["name"])] = paragraphs(f"# {tag['name']}", f"{tag['description']}.", *map(_operation, own))
    schemas = sorted(document["components"]["schemas"].items())
    made[_BODIES] = paragraphs("# Bodies of requests", *(_schema(name, schema) for name, schema in schemas))
    return made


def overview(document: Mapping[str, Any]) -> str:
    """A table of every operation, each with a link to where it is described."""
    rows = [
        [
            f"[`{one.method} {one.path}`](rest-api/{file_of(one.resource)}#{one.id})",
            ", ".join(map(code, one.scopes)) or "none",
            one.said.get("summary", ""),
        ]
        for one in operations(document)
    ]
    return table(["request", "scopes", "what it does"], rows)


def _operation(one: Operation) -> str:
    scopes = " or ".join(map(code, one.scopes))
    return paragraphs(
        f"## `{one.method} {one.path}` {{#{one.id}}}",
        one.said.get("summary", ""),
        one.said.get("description", ""),
        f"Takes the scope {scopes}." if scopes else "Asks nobody who they are.",
        _parameters(one.said.get("parameters", [])),
        _request_body(one.said.get("requestBody")),
        _responses(one.said["responses"]),
    )


def _parameters(parameters: list[dict[str, Any]]) -> str:
    rows = [
        [code(one["name"]), one["in"], type_of(one["schema"]), _said(one, needed=one.get("required", False))]
        for one in parameters
    ]
    return table(["parameter", "in", "type", "what it is"], rows)


def _request_body(body: Mapping[str, Any] | None) -> str:
    if body is None:
        return ""
    kinds = [f"{code(kind)}: {type_of(content.get('schema', {}))}" for kind, content in body["content"].items()]
    needed = "Body" if body.get("required") else "Body, which may be left out"
    return paragraphs(f"{needed}: {'; '.join(kinds)}.", *map(_examples, body["content"].values()))


def _responses(responses: Mapping[str, Any]) -> str:
    rows = [
        [
            status,
            said.get("description", ""),
            ", ".join(code(kind) for kind in said.get("content", {}) if kind != _PROBLEM),
            ", ".join(map(code, said.get("headers", {}))),
        ]
        for status, said in sorted(responses.items())
    ]
    succeeded = [said for status, said in responses.items() if status < "300"]
    good = [content for said in succeeded for content in said.get("content", {}).values()]
    return paragraphs(
        table(["status", "when", "body", "headers"], rows),
        *(_answered(content.get("schema", {})) for content in good),
        *map(_examples, good),
    )


def _answered(schema: Mapping[str, Any]) -> str:
    """What the objects of an answer have: those of a list are its items."""
    each = schema.get("items", schema)
    properties = table(["of the answer", "type", "what it is"], _properties(each))
    return paragraphs("A list, each item of which has:" if "items" in schema else "", properties) if properties else ""


def _examples(content: Mapping[str, Any]) -> str:
    return paragraphs(*(f"For example `{one}`." for one in content.get("schema", {}).get("examples", [])))


def _schema(name: str, schema: Mapping[str, Any]) -> str:
    properties = _properties(schema)
    what = "" if properties else f"{type_of(schema).capitalize()}."
    header = ["property", "type", "what it is"]
    return paragraphs(f"## {name} {{#{name.lower()}}}", schema.get("description", ""), what, table(header, properties))


def _properties(schema: Mapping[str, Any]) -> list[list[str]]:
    needed = schema.get("required", [])
    properties = schema.get("properties", {}).items()
    return [[code(name), type_of(one), _said(one, needed=name in needed)] for name, one in properties]


def _said(of: Mapping[str, Any], *, needed: bool) -> str:
    """What is said of a parameter or a property, with its default: that of a parameter is in its schema."""
    default = of.get("schema", of).get("default")
    shown = "" if default is None else code(str(default).lower() if isinstance(default, bool) else default)
    said = "; ".join(filter(None, [str(of.get("description", "")), shown and f"default: {shown}"]))
    return paragraphs("**Required.**" if needed else "", said[:1].upper() + said[1:])


def type_of(schema: Mapping[str, Any]) -> str:
    """The type of a value in words, with links to the bodies that it names.

    >>> type_of({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]})
    'integer from 1'
    >>> type_of({"type": "array", "items": {"enum": ["a", "b"]}})
    'list of `a`, `b`'
    """
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_LINK)
        return f"[{name}]({_BODIES}#{name.lower()})"
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return " or ".join(dict.fromkeys(type_of(one) for one in schema[several] if one.get("type") != "null"))
    if "const" in schema:
        return code(schema["const"])
    if "enum" in schema:
        return ", ".join(map(code, schema["enum"]))
    return _plain(schema)


def _plain(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type", "any value")
    if kind == "array":
        return f"list of {type_of(schema['items'])}" if schema.get("items") else "list"
    least = f" from {schema['minimum']}" if "minimum" in schema else ""
    most = f" to {schema['maximum']}" if "maximum" in schema else ""
    form = f", {schema['format']}" if "format" in schema else ""
    return f"{' or '.join(kind) if isinstance(kind, list) else kind}{least}{most}{form}"
