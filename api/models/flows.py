"""Flows as clients send them (TAMS 8.2, flow-put), each format with its essence parameters."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import BeforeValidator, ConfigDict, Discriminator, Field, RootModel, Tag, WithJsonSchema, model_validator

from api.models.common import Body, Closed, Count, Format, Int64, Mime, Positive, Rational, Status, Tags, Uuid


class AudioTrack(Body):
    """Where the channels of an audio flow are among a container's."""

    channel_numbers: list[Count] | None = Field(None, min_length=1)
    channel_range: str | None = Field(None, pattern="^[0-9]+_[0-9]+$")


class Mp2tsContainer(Body):
    """A place in an MPEG-2 transport stream."""

    pid: Int64 | None = None


class MxfContainer(Body):
    """A place in an MXF file."""

    package_uid: str | None = None
    track_id: Int64 | None = None


class IsobmffContainer(Body):
    """A place in an ISO base media file."""

    track_id: Int64 | None = None


class ContainerMapping(Body):
    """Where a flow's essence is in a container."""

    track_index: Count | None = None
    format_track_index: Count | None = None
    audio_track: AudioTrack | None = None
    mp2ts_container: Mp2tsContainer | None = None
    mxf_container: MxfContainer | None = None
    isobmff_container: IsobmffContainer | None = None


class CollectionItem(Body):
    """A flow that another collects."""

    id: Uuid
    role: str | None = None
    container_mapping: ContainerMapping | None = None


class FlowCommon(Body):
    """What flows of every format have. What the service keeps itself is passed over when a client sends it."""

    id: Uuid
    source_id: Uuid
    label: str | None = None
    description: str | None = None
    created_by: str | None = None
    updated_by: str | None = None
    tags: Tags = Field(default_factory=dict)
    metadata_version: str | None = None
    generation: Count | None = None
    status: Status | None = None
    read_only: bool | None = None
    max_bit_rate: Count | None = Field(None, description="1000 bit/s")
    flow_collection: list[CollectionItem] | None = None
    profile_id: Uuid | Literal[""] | None = None


class Technical(Body):
    """What is known of the coding of a flow (TAMS 8.2, flow-technical)."""

    codec: Mime | None = None
    container: Mime | None = None
    avg_bit_rate: Count | None = Field(None, description="1000 bit/s")
    segment_duration: Rational | None = Field(None, description="Seconds")
    container_mapping: ContainerMapping | None = None


class UncompressedVideo(Body):
    """How uncompressed pictures are packed."""

    unc_type: Literal[
        "planar",
        "YUYV",
        "UYVY",
        "AYUV",
        "v210",
        "v216",
        "RGB",
        "RGBx",
        "xRGB",
        "BGRx",
        "xBGR",
        "RGBA",
        "ARGB",
        "BGRA",
        "ABGR",
        "alpha",
    ]


class AvcParameters(Body):
    """The three bytes of an H.264 codec string."""

    profile: Int64
    level: Int64
    flags: Int64


class AspectRatio(Body):
    """A ratio of width to height."""

    numerator: Positive
    denominator: Positive


_RATE_OR_VFR: list[Any] = [
    {"required": ["frame_rate"], "properties": {"frame_rate": {"type": "object"}, "vfr": {"enum": [False, None]}}},
    {"required": ["vfr"], "properties": {"frame_rate": {"type": "null"}, "vfr": {"const": True}}},
]
"""What `_one_of_frame_rate_and_vfr` checks, for the OpenAPI document."""


class VideoEssence(Closed):
    """Essence parameters of a video flow."""

    model_config = ConfigDict(json_schema_extra={"anyOf": _RATE_OR_VFR})

    frame_width: Positive
    frame_height: Positive
    bit_depth: Positive | None = None
    interlace_mode: Literal["progressive", "interlaced_tff", "interlaced_bff", "interlaced_psf"] | None = None
    colorspace: Literal["BT601", "BT709", "BT2020", "BT2100"] | None = None
    transfer_characteristic: Literal["SDR", "HLG", "PQ"] | None = None
    aspect_ratio: AspectRatio | None = None
    pixel_aspect_ratio: AspectRatio | None = None
    component_type: Literal["YCbCr", "RGB"] | None = None
    horiz_chroma_subs: Positive | None = None
    vert_chroma_subs: Positive | None = None
    unc_parameters: UncompressedVideo | None = None
    avc_parameters: AvcParameters | None = None
    frame_rate: Rational | None = None
    vfr: bool | None = None
    init_segments: bool | None = None

    @model_validator(mode="after")
    def _one_of_frame_rate_and_vfr(self) -> VideoEssence:
        if (self.frame_rate is not None) == bool(self.vfr):
            raise ValueError("frame_rate is set exactly when vfr is not true")
        return self


class AudioCodec(Body):
    """Parameters of an audio coding."""

    coded_frame_size: Int64 | None = None
    mp4_oti: Int64 | None = None


class UncompressedAudio(Body):
    """How uncompressed channels are packed."""

    unc_type: Literal["interleaved", "planar", "pairs"]


class AudioEssence(Closed):
    """Essence parameters of an audio flow."""

    sample_rate: Positive
    channels: Positive
    bit_depth: Positive | None = None
    codec_parameters: AudioCodec | None = None
    unc_parameters: UncompressedAudio | None = None
    init_segments: bool | None = None


class ImageEssence(Closed):
    """Essence parameters of an image flow."""

    frame_width: Positive
    frame_height: Positive
    aspect_ratio: AspectRatio | None = None


class DataEssence(Closed):
    """Essence parameters of a data flow."""

    data_type: str | None = None
    init_segments: bool | None = None


class MultiEssence(Closed):
    """Essence parameters of a multi-essence flow."""

    init_segments: bool | None = None


class VideoTechnical(Technical):
    """The technical metadata of a video flow."""

    format: Literal["urn:x-nmos:format:video"]
    codec: Mime
    essence_parameters: VideoEssence


class AudioTechnical(Technical):
    """The technical metadata of an audio flow."""

    format: Literal["urn:x-nmos:format:audio"]
    codec: Mime
    essence_parameters: AudioEssence


class ImageTechnical(Technical):
    """The technical metadata of an image flow."""

    format: Literal["urn:x-tam:format:image"]
    codec: Mime
    essence_parameters: ImageEssence


class DataTechnical(Technical):
    """The technical metadata of a data flow."""

    format: Literal["urn:x-nmos:format:data"]
    codec: Mime
    essence_parameters: DataEssence


class VideoFlow(VideoTechnical, FlowCommon):
    """A video flow."""


class AudioFlow(AudioTechnical, FlowCommon):
    """An audio flow."""


class ImageFlow(ImageTechnical, FlowCommon):
    """An image flow."""


class DataFlow(DataTechnical, FlowCommon):
    """A data flow."""


class MultiFlow(Technical, FlowCommon):
    """A multi-essence flow."""

    format: Literal["urn:x-nmos:format:multi"]
    essence_parameters: MultiEssence | None = None


def _restated(_: Any) -> None:
    raise ValueError("it is the profile's: a flow that has one may not restate it")


_OfTheProfile: TypeAlias = Annotated[
    None, BeforeValidator(_restated), WithJsonSchema({"not": {}, "description": "The profile's; never given"})
]


class ProfileFlow(FlowCommon):
    """A flow whose technical metadata is that of a profile (TAMS 8.2, PUT flow)."""

    profile_id: Uuid
    format: _OfTheProfile = None
    codec: _OfTheProfile = None
    container: _OfTheProfile = None
    avg_bit_rate: _OfTheProfile = None
    segment_duration: _OfTheProfile = None
    essence_parameters: _OfTheProfile = None
    container_mapping: _OfTheProfile = None


def _kind(flow: Any) -> Any:
    # No annotation names a variant: the union is decided by what is said, or a client could never tell what is wrong.
    said = flow if isinstance(flow, dict) else getattr(flow, "__dict__", {})
    return "profile" if said.get("profile_id") else said.get("format")


FlowUnion: TypeAlias = Annotated[
    Annotated[VideoFlow, Tag("urn:x-nmos:format:video")]
    | Annotated[AudioFlow, Tag("urn:x-nmos:format:audio")]
    | Annotated[ImageFlow, Tag("urn:x-tam:format:image")]
    | Annotated[DataFlow, Tag("urn:x-nmos:format:data")]
    | Annotated[MultiFlow, Tag("urn:x-nmos:format:multi")]
    | Annotated[ProfileFlow, Tag("profile")],
    Discriminator(
        _kind, custom_error_type="format", custom_error_message=f"Input should be one of {', '.join(get_args(Format))}"
    ),
]


class FlowPut(RootModel[FlowUnion]):
    """A flow as it is put."""
