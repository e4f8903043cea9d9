"""What a stream is, in the words of the TAMS flow schemas (flow-video, flow-audio, flow-technical).

What FFmpeg does not know is left out: a wrong value misleads a client, a missing one makes it look into the media.
The one exception is the frame rate, which the schema wants unless it is variable. It is measured: a rate is constant
if the first pictures come at it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from typing import Any, Literal, TypeAlias

from av.container import InputContainer

from tams_data.errors import UnreadableMedia
from tams_data.essence import codecs
from tams_data.essence.inputs import Input, Packet, read_packets, readable
from tams_data.essence.nal import avc_profile

Kind: TypeAlias = Literal["video", "audio"]
AvStream: TypeAlias = Any
"""An `av.VideoStream` or `av.AudioStream`; PyAV forwards half of their attributes to the codec context."""

_PROBED_PICTURES = 100
_PROBED_PACKETS = 4000

# FFmpeg's numbers: AVCOL_SPC (ISO/IEC 23091-2, matrix coefficients) and AVCOL_TRC (transfer characteristics).
_COLORSPACES = {1: "BT709", 5: "BT601", 6: "BT601", 9: "BT2020", 10: "BT2020"}
_TRANSFERS = {1: "SDR", 4: "SDR", 5: "SDR", 6: "SDR", 14: "SDR", 15: "SDR", 16: "PQ", 18: "HLG"}
# AVFieldOrder. The last two are displayed in another order than they are coded, and TAMS means the display.
_INTERLACE_MODES = {
    1: "progressive",
    2: "interlaced_tff",
    3: "interlaced_bff",
    4: "interlaced_bff",
    5: "interlaced_tff",
}
_AAC_OBJECT_TYPES = {"Main": 1, "LC": 2, "SSR": 3, "LTP": 4, "HE-AAC": 5, "LD": 23, "HE-AACv2": 29, "ELD": 39}
_UNCODED_BITS = {"pcm_u8": 8, "pcm_s8": 8, "pcm_s24le": 24, "pcm_s24be": 24}


@dataclass(frozen=True, slots=True)
class EssenceStream:
    """A video or audio stream of an input.

    `index` counts the usable streams of a media from 0; `input` and `av_index` say where FFmpeg finds it. `technical`
    is the technical part of a TAMS flow. `step` is the time between two pictures, or two coded audio frames, in
    seconds; None when it varies or is not known.
    """

    index: int
    input: int
    av_index: int
    kind: Kind
    codec: str
    technical: Mapping[str, Any]
    step: Fraction | None
    language: str | None

    def samples_in(self, duration: Fraction) -> int:
        """How many samples a coded frame of this duration holds, as TAMS counts: a picture is one, a sound many."""
        if self.kind == "video":
            return 1
        sample_rate: int = self.technical["essence_parameters"]["sample_rate"]
        return round(duration * sample_rate)


@dataclass(frozen=True, slots=True)
class Described:
    """The usable streams of some inputs, what was left out and why, and how long FFmpeg thinks they are."""

    streams: tuple[EssenceStream, ...]
    notices: tuple[str, ...]
    duration_ns: int | None


def describe_inputs(inputs: Sequence[Input]) -> Described:
    """Look into inputs that share a timeline.

    Subtitles, data, attachments, cover pictures and codecs that FFmpeg cannot decode are left out. `UnreadableMedia`
    when an input cannot be read, or nothing usable is in it.
    """
    streams: list[EssenceStream] = []
    notices: list[str] = []
    durations: list[int] = []
    with ExitStack() as stack:
        for number, source in enumerate(inputs):
            with readable(source.name):
                container = stack.enter_context(source.open())
            usable, unusable = _sorted_out(container, source.name)
            rates = _frame_rates(source, container)
            for stream in usable:
                streams.append(_described(len(streams), number, stream, rates))
            notices += unusable
            durations.append((container.duration or 0) * 1000)
    if not streams:
        names = " and ".join(source.name for source in inputs)
        raise UnreadableMedia(f"{names}: no audio or video stream")
    return Described(tuple(streams), tuple(notices), max(durations) or None)


def usable_streams(container: InputContainer) -> list[AvStream]:
    """Return the video and audio streams of a container that FFmpeg can decode, without cover pictures."""
    return _sorted_out(container, "")[0]


def _sorted_out(container: InputContainer, name: str) -> tuple[list[AvStream], list[str]]:
    usable: list[AvStream] = []
    notices: list[str] = []
    for stream in container.streams:
        problem = _problem(stream)
        if problem is None:
            usable.append(stream)
        else:
            notices.append(f"{name}: stream {stream.index} left out: {problem}")
    return usable, notices


def _problem(stream: AvStream) -> str | None:
    if stream.type not in ("video", "audio"):
        return f"{stream.type} is not stored"
    if stream.codec_context is None:
        return f"FFmpeg has no decoder for this {stream.type}"
    if _is_cover(stream):
        return "a cover picture, not video"
    if stream.type == "video" and not stream.codec_context.width:
        return "no picture size could be found"
    if stream.type == "audio" and not stream.codec_context.sample_rate:
        return "no sample rate could be found"
    return None


def _is_cover(stream: AvStream) -> bool:
    disposition = getattr(stream, "disposition", 0)  # PyAV 14 has it from 14.1 on
    attached_picture = 0x400  # AV_DISPOSITION_ATTACHED_PIC
    return bool(int(disposition) & attached_picture)


def _described(index: int, number: int, stream: AvStream, rates: Mapping[int, Fraction]) -> EssenceStream:
    name = codecs.codec_name(stream.codec_context.codec)
    if stream.type == "video":
        rate = rates.get(stream.index)
        technical, step = _video(stream, name, rate), 1 / rate if rate else None
    else:
        technical, step = _audio(stream, name), _audio_step(stream)
    return EssenceStream(
        index=index,
        input=number,
        av_index=stream.index,
        kind=stream.type,
        codec=name,
        technical=technical,
        step=step,
        language=_language(stream),
    )


def _language(stream: AvStream) -> str | None:
    language = stream.metadata.get("language")
    return language if language not in (None, "", "und") else None


def _common(stream: AvStream, name: str, urn: str, essence: Mapping[str, Any]) -> dict[str, Any]:
    technical = {"format": urn, "codec": codecs.mime_type(stream.type, name), "essence_parameters": _known(essence)}
    if codecs.in_mpeg_ts(name):
        technical["container"] = codecs.MPEG_TS
    bit_rate = stream.codec_context.bit_rate
    if bit_rate:
        technical["avg_bit_rate"] = bit_rate // 1000  # of the essence; an ingest knows the segments' (App note 0013)
    return technical


def _known(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if value is not None}


def _rational(value: Fraction | None) -> dict[str, int] | None:
    return {"numerator": value.numerator, "denominator": value.denominator} if value else None


# --- video -----------------------------------------------------------------------------------------------------------


def _video(stream: AvStream, name: str, rate: Fraction | None) -> dict[str, Any]:
    context = stream.codec_context
    pixel_ratio: Fraction | None = context.sample_aspect_ratio or None
    essence = {
        "frame_width": context.width,
        "frame_height": context.height,
        "frame_rate": _rational(rate),
        "vfr": None if rate else True,
        "interlace_mode": _interlace_mode(context),
        "colorspace": _colorspace(context),
        "transfer_characteristic": _TRANSFERS.get(context.color_trc),
        "aspect_ratio": _rational(pixel_ratio and pixel_ratio * Fraction(context.width, context.height)),
        "pixel_aspect_ratio": _rational(pixel_ratio),
        "avc_parameters": _avc_parameters(context.extradata) if name == "h264" else None,
        **_pixels(context.format),
    }
    return _common(stream, name, codecs.VIDEO_FORMAT, essence)


def _interlace_mode(context: Any) -> str | None:
    return _INTERLACE_MODES.get(getattr(context, "field_order", 0))  # older PyAV does not tell


def _colorspace(context: Any) -> str | None:
    colorspace = _COLORSPACES.get(context.colorspace)
    high_range = _TRANSFERS.get(context.color_trc) in ("PQ", "HLG")
    return "BT2100" if colorspace == "BT2020" and high_range else colorspace


def _pixels(pixel_format: Any) -> dict[str, Any]:
    if pixel_format is None:
        return {}
    has_chroma = any(component.is_chroma for component in pixel_format.components)
    subsampled = has_chroma and not pixel_format.is_rgb
    return {
        "bit_depth": pixel_format.components[0].bits,
        "component_type": "RGB" if pixel_format.is_rgb else "YCbCr",
        # How many pixels wide and high the area is that shares one chroma sample.
        "horiz_chroma_subs": 16 // pixel_format.chroma_width(16) if subsampled else None,
        "vert_chroma_subs": 16 // pixel_format.chroma_height(16) if subsampled else None,
    }


def _avc_parameters(extradata: bytes | None) -> dict[str, int] | None:
    found = avc_profile(extradata)
    return None if found is None else {"profile": found.profile, "level": found.level, "flags": found.flags}


def _frame_rates(source: Input, container: InputContainer) -> dict[int, Fraction]:
    """Return the constant frame rate of each video stream that has one, by FFmpeg's index."""
    streams: dict[int, AvStream] = {s.index: s for s in container.streams.video if _problem(s) is None}
    times: dict[int, list[Fraction]] = {index: [] for index in streams}
    for packet in _first_pictures(source, container, times):
        times[packet.stream.index].append(packet.pts * packet.time_base)
    found = {index: _constant_rate(times[index], stream) for index, stream in streams.items()}
    return {index: rate for index, rate in found.items() if rate is not None}


def _first_pictures(
    source: Input, container: InputContainer, times: Mapping[int, Sequence[Fraction]]
) -> Iterator[Packet]:
    if not times:
        return
    try:
        for packet in islice(read_packets(source, container), _PROBED_PACKETS):
            if packet.stream.index in times and packet.pts is not None:
                yield packet
            if all(len(found) >= _PROBED_PICTURES for found in times.values()):
                return
    except UnreadableMedia:
        # A file that breaks off is told when it is cut, after what was whole. Here the pictures before that will do.
        return


def _constant_rate(times: Sequence[Fraction], stream: AvStream) -> Fraction | None:
    candidates = [rate for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate) if rate]
    if len(times) < 2:
        return candidates[0] if candidates else None
    ordered = sorted(times)
    return next((rate for rate in candidates if _fits(ordered, rate, stream.time_base)), None)


def _fits(times: Sequence[Fraction], rate: Fraction, resolution: Fraction) -> bool:
    """Whether the pictures come at the rate, but for the rounding of the clock and for pictures that are missing.

    Field pictures come at twice the rate, and each half picture is a sample of its own to FFmpeg.
    """
    positions = [(time - times[0]) * rate * 2 for time in times]
    rounding = 2 * rate * resolution
    on_grid = all(abs(position - round(position)) <= rounding for position in positions)
    missing = positions[-1] / 2 + 1 - len(times)
    return on_grid and missing <= len(times) // 4


# --- audio -----------------------------------------------------------------------------------------------------------


def _audio(stream: AvStream, name: str) -> dict[str, Any]:
    context = stream.codec_context
    essence = {
        "sample_rate": context.sample_rate,
        "channels": context.layout.nb_channels,
        "bit_depth": _audio_bits(context, name),
        "codec_parameters": _codec_parameters(stream, name) or None,
        "unc_parameters": _unc_parameters(name),
    }
    return _common(stream, name, codecs.AUDIO_FORMAT, essence)


def _audio_bits(context: Any, name: str) -> int | None:
    if not name.startswith("pcm_"):
        return None  # what a lossy codec decodes to is the decoder's choice
    bits: int = _UNCODED_BITS.get(name, context.format.bits)
    return bits


def _codec_parameters(stream: AvStream, name: str) -> dict[str, int]:
    if name.startswith("pcm_"):
        return {}
    parameters = {
        "coded_frame_size": stream.codec_context.frame_size or None,
        "mp4_oti": _AAC_OBJECT_TYPES.get(stream.profile or "") if name == "aac" else None,
    }
    return _known(parameters)


def _unc_parameters(name: str) -> dict[str, str] | None:
    if not name.startswith("pcm_"):
        return None
    return {"unc_type": "planar" if name.endswith("_planar") else "interleaved"}


def _audio_step(stream: AvStream) -> Fraction | None:
    frame_size = stream.codec_context.frame_size
    return Fraction(frame_size, stream.codec_context.sample_rate) if frame_size else None
