"""Flows of each format as a client puts them, each with new ids unless some are given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

VIDEO = "urn:x-nmos:format:video"
AUDIO = "urn:x-nmos:format:audio"
IMAGE = "urn:x-tam:format:image"
DATA = "urn:x-nmos:format:data"
MULTI = "urn:x-nmos:format:multi"

Json = dict[str, Any]


def new_id() -> str:
    """A UUID that nothing has yet."""
    return str(uuid4())


def video_flow(**members: Any) -> Json:
    """An H.264 flow in MPEG-TS objects, with `members` in place of its own or beside them."""
    return _flow(
        {
            "format": VIDEO,
            "codec": "video/h264",
            "container": "video/mp2t",
            "essence_parameters": {"frame_width": 1920, "frame_height": 1080, "frame_rate": {"numerator": 25}},
        },
        members,
    )


def audio_flow(**members: Any) -> Json:
    """A stereo AAC flow."""
    return _flow(
        {
            "format": AUDIO,
            "codec": "audio/aac",
            "container": "video/mp2t",
            "essence_parameters": {"sample_rate": 48000, "channels": 2},
        },
        members,
    )


def image_flow(**members: Any) -> Json:
    """A flow of JPEG stills."""
    return _flow(
        {
            "format": IMAGE,
            "codec": "image/jpeg",
            "container": "image/jpeg",
            "essence_parameters": {"frame_width": 640, "frame_height": 360},
        },
        members,
    )


def data_flow(**members: Any) -> Json:
    """A flow of TTML subtitles."""
    return _flow(
        {
            "format": DATA,
            "codec": "application/ttml+xml",
            "container": "application/ttml+xml",
            "essence_parameters": {"data_type": "urn:x-tam:data:subtitle"},
        },
        members,
    )


def multi_flow(**members: Any) -> Json:
    """A flow that collects others; it has no objects of its own unless `members` give it a container."""
    return _flow({"format": MULTI}, members)


def fragmented_flow(**members: Any) -> Json:
    """A video flow in fragmented MP4: each of its objects needs an initialisation object."""
    essence = {
        "frame_width": 1280,
        "frame_height": 720,
        "frame_rate": {"numerator": 50},
        "init_segments": True,
    }
    return video_flow(**{"container": "video/iso.segment", "essence_parameters": essence, **members})


TECHNICAL = ("format", "codec", "container", "essence_parameters")
"""What of the flows above is technical, so that a profile can have it."""


def profile(of: Callable[..., Json] = video_flow, **members: Any) -> Json:
    """A profile with the technical metadata of a flow, with `members` in place of its own or beside them."""
    flow = of()
    metadata = {name: flow[name] for name in TECHNICAL if name in flow}
    return {"id": new_id(), "flow_metadata": metadata, **members}


def profile_flow(profile_id: str, **members: Any) -> Json:
    """A flow that is made from a profile."""
    return {"id": new_id(), "source_id": new_id(), "profile_id": profile_id, **members}


FLOWS = {"video": video_flow, "audio": audio_flow, "image": image_flow, "data": data_flow, "multi": multi_flow}
"""A builder for each content format."""


def _flow(of_format: Json, members: Json) -> Json:
    return {"id": new_id(), "source_id": new_id(), **of_format, **members}
