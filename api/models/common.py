"""Shapes that several resources share, as the JSON Schemas of TAMS 8.2 define them."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

UUID_PATTERN = r"^[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
TIMESTAMP_PATTERN = r"^-?(0|[1-9][0-9]*):(0|[1-9][0-9]{0,8})$"
TIMERANGE_PATTERN = rf"^(\[|\()?({TIMESTAMP_PATTERN[1:-1]})?(_({TIMESTAMP_PATTERN[1:-1]})?)?(\]|\))?$"
_MIME_WORD = r"[0-9A-Za-z!#$%&'*+.^_`|~-]+"
MIME_PATTERN = (
    r"^(application|audio|font|example|image|message|model|multipart|text|video|"
    rf"x-{_MIME_WORD})/{_MIME_WORD}$"
)

Uuid: TypeAlias = Annotated[str, StringConstraints(pattern=UUID_PATTERN)]
Mime: TypeAlias = Annotated[str, StringConstraints(pattern=MIME_PATTERN)]
ObjectId: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
# Documented, not checked: `TimeRange.parse` says better what is wrong, and takes the same texts.
_TIMERANGE = {"pattern": TIMERANGE_PATTERN}
TimerangeText: TypeAlias = Annotated[
    str, Field(description="A TAMS time range", examples=["[0:0_10:0)"], json_schema_extra=_TIMERANGE)
]
TimestampText: TypeAlias = Annotated[str, Field(description="A TAMS timestamp", pattern=TIMESTAMP_PATTERN)]


def _whole(value: Any) -> Any:
    # JSON Schema: 1.0 is an integer, and some languages know no other way to write one.
    return int(value) if isinstance(value, float) and value.is_integer() else value


# int64 is what a column holds, and what can be written as JSON again; the specification has no such bound.
Int64: TypeAlias = Annotated[int, Field(ge=-(2**63), lt=2**63), BeforeValidator(_whole)]
Positive: TypeAlias = Annotated[int, Field(gt=0, lt=2**63), BeforeValidator(_whole)]
AtLeastOne: TypeAlias = Annotated[int, Field(ge=1), BeforeValidator(_whole)]
Count: TypeAlias = Annotated[int, Field(ge=0, lt=2**63), BeforeValidator(_whole)]

Tags: TypeAlias = dict[str, str | list[str]]
Format: TypeAlias = Literal[
    "urn:x-nmos:format:video",
    "urn:x-tam:format:image",
    "urn:x-nmos:format:audio",
    "urn:x-nmos:format:data",
    "urn:x-nmos:format:multi",
]
Status: TypeAlias = Literal["awaiting_content", "ingesting", "replication_in_progress", "closed_complete"]


LEFT_OUT: dict[str, Any] = {"default": {}}
"""In the schema of a body that may be left out: nothing in it has to be said."""


class Body(BaseModel):
    """A JSON body, or a part of one: types are not converted, properties of no meaning are passed over."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class Closed(Body):
    """A part of a body in which no other property may stand."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Rational(Body):
    """A rational number."""

    numerator: Positive
    denominator: Positive = 1


_INTEGER = re.compile(r"(-?[0-9]{1,400})(\.0+)?")


def _boolean(value: Any) -> Any:
    # Pydantic would take "yes", "on" and "1" as well; the specification's booleans are these two.
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


def _integer(value: Any) -> Any:
    # As in bodies, 1.0 is an integer.
    found = _INTEGER.fullmatch(value) if isinstance(value, str) else None
    return value if found is None else int(found[1])


QueryBool: TypeAlias = Annotated[bool, BeforeValidator(_boolean), Field(strict=True)]
QueryInt: TypeAlias = Annotated[int, Field(strict=True, ge=-(2**63), lt=2**63), BeforeValidator(_integer)]


def query_int_within(least: int, most: int) -> Any:
    """The type of a parameter that is a whole number from `least` to `most`.

    Of two bounds on one side, as a `Field` around `QueryInt` would have them, the document shows the first alone.
    """
    return Annotated[int, Field(strict=True, ge=least, le=most), BeforeValidator(_integer)]


QueryCount: TypeAlias = Annotated[int, Field(strict=True, ge=1, lt=2**63), BeforeValidator(_integer)]
