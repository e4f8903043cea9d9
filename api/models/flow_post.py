"""Flows as `POST /flows` takes them: with or without an id, their essence parameters nested or flat."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from pydantic import BaseModel, TypeAdapter

from api.models import flows
from api.models.flows import FlowPut
from tams_data.errors import InvalidInput

FORMS: dict[str, tuple[type[BaseModel], type[BaseModel]]] = {
    "urn:x-nmos:format:video": (flows.VideoFlow, flows.VideoEssence),
    "urn:x-nmos:format:audio": (flows.AudioFlow, flows.AudioEssence),
    "urn:x-tam:format:image": (flows.ImageFlow, flows.ImageEssence),
    "urn:x-nmos:format:data": (flows.DataFlow, flows.DataEssence),
    "urn:x-nmos:format:multi": (flows.MultiFlow, flows.MultiEssence),
}
"""By format, the model of a flow and of its essence parameters."""

_ESSENCE = "essence_parameters"
_RATIOS = ("frame_rate", "aspect_ratio", "pixel_aspect_ratio")
_RATIO = re.compile("([1-9][0-9]{0,17}):([1-9][0-9]{0,17})", re.ASCII)

_ANY_OBJECT = TypeAdapter(dict[str, Any])


class FlowPost(FlowPut):
    """A flow to create. This describes the body; `posted` reads it."""

    @classmethod
    def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The schema of a flow that is put, less what may be left out here, plus the flat essence parameters."""
        schema = super().model_json_schema(*args, **kwargs)
        definitions = schema["$defs"]
        for flow, essence in FORMS.values():
            for rule in ("required", "anyOf"):  # the other parameters may stand beside it
                definitions[essence.__name__].pop(rule, None)
            properties = definitions[flow.__name__]["properties"]
            properties.update(definitions[essence.__name__]["properties"])
            for name in properties.keys() & set(_RATIOS):
                text = {"type": "string", "pattern": f"^{_RATIO.pattern}$"}
                properties[name] = {"anyOf": [properties[name], text]}
        for name in (flows.ProfileFlow.__name__, *(flow.__name__ for flow, _ in FORMS.values())):
            required = definitions[name]["required"]
            definitions[name]["required"] = [one for one in required if one not in ("id", _ESSENCE)]
        return schema


def posted(data: bytes) -> dict[str, Any]:
    """The flow of a body, as it would be put: with an id, a new one unless it has one, and nested.

    :raise ValidationError: it is no flow.
    :raise InvalidInput: it says an essence parameter twice, or a ratio that is none.
    """
    given = {"id": str(uuid4()), **_ANY_OBJECT.validate_json(data)}
    return FlowPut.model_validate(nested(given)).root.model_dump(exclude_none=True, exclude_unset=True)


def nested(flow: Mapping[str, Any]) -> dict[str, Any]:
    """A flow whose essence parameters are all in `essence_parameters`, whether or not they were.

    >>> nested({"format": "urn:x-nmos:format:video", "frame_rate": "25:1"})["essence_parameters"]
    {'frame_rate': {'numerator': 25, 'denominator': 1}}
    """
    form, inner = FORMS.get(str(flow.get("format"))), flow.get(_ESSENCE, {})
    if inner is None and form is not None and not form[0].model_fields[_ESSENCE].is_required():
        inner = {}
    names = [name for name in form[1].model_fields if name in flow] if form is not None else []
    if not names or not isinstance(inner, dict):
        return dict(flow)
    twice = next((name for name in names if name in inner), None)
    if twice is not None:
        raise InvalidInput(f"{twice} is in {_ESSENCE} as well", field=twice, value=flow[twice])
    others = {name: value for name, value in flow.items() if name not in names}
    return {**others, _ESSENCE: {**inner, **{name: _plain(name, flow[name]) for name in names}}}


def _plain(name: str, value: Any) -> Any:
    if name not in _RATIOS or not isinstance(value, str):
        return value
    found = _RATIO.fullmatch(value)
    if found is None:
        raise InvalidInput(f"{name} is a ratio like 25:1, not {value!r}", field=name, value=value)
    return {"numerator": int(found[1]), "denominator": int(found[2])}
