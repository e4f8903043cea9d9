"""Codecs by FFmpeg's names: how TAMS names them, and which of them MPEG-TS can carry.

TAMS wants MIME types from the IANA registry, else the commonest (schema flow-technical), in lower case as in its
examples. A codec that is not in the table gets an `x-` type: a description should not fail on it.
"""

from __future__ import annotations

from typing import Any

VIDEO_FORMAT = "urn:x-nmos:format:video"
AUDIO_FORMAT = "urn:x-nmos:format:audio"
MULTI_FORMAT = "urn:x-nmos:format:multi"
MPEG_TS = "video/mp2t"

_MIME_TYPES = {
    "aac": "audio/aac",
    "aac_latm": "audio/mp4a-latm",
    "ac3": "audio/ac3",
    "dts": "audio/vnd.dts",
    "eac3": "audio/eac3",
    "h264": "video/h264",
    "hevc": "video/h265",
    "mjpeg": "video/jpeg",
    "mp1": "audio/mpeg",
    "mp2": "audio/mpeg",
    "mp3": "audio/mpeg",
    "mpeg1video": "video/mpeg",
    "mpeg2video": "video/mpeg",
    "mpeg4": "video/mp4v-es",
    "rawvideo": "video/raw",
    "vvc": "video/h266",
}

# FFmpeg writes other codecs as private data, which nothing reads back.
_VIDEO_IN_MPEG_TS = {"h264", "hevc", "vvc", "mpeg1video", "mpeg2video", "mpeg4"}
_AUDIO_IN_MPEG_TS = {"aac", "aac_latm", "mp2", "mp3", "ac3", "eac3", "dts", "truehd", "opus", "s302m"}

# PyAV names a codec after its decoder, and newer versions after the codec as well.
_DECODERS = {
    "ac3_fixed": "ac3",
    "libdav1d": "av1",
    "libopus": "opus",
    "libvorbis": "vorbis",
    "mp1float": "mp1",
    "mp2float": "mp2",
    "mp3float": "mp3",
}


def codec_name(codec: Any) -> str:
    """Return FFmpeg's name of an `av.Codec`, whichever of its decoders is in use."""
    name: str = getattr(codec, "canonical_name", None) or codec.name
    return _DECODERS.get(name, name)


def mime_type(kind: str, name: str) -> str:
    """Return the MIME type of a codec; `kind` is "video" or "audio".

    >>> mime_type("video", "h264"), mime_type("audio", "pcm_s16le"), mime_type("video", "prores")
    ('video/h264', 'audio/x-raw-int', 'video/x-prores')
    """
    if name.startswith("pcm_f"):
        return "audio/x-raw-float"
    if name.startswith("pcm_") and name not in ("pcm_alaw", "pcm_mulaw"):
        return "audio/x-raw-int"
    registered = ("av1", "flac", "opus", "vorbis", "vp8", "vp9")
    return _MIME_TYPES.get(name) or (f"{kind}/{name}" if name in registered else f"{kind}/x-{name}")


def in_mpeg_ts(name: str) -> bool:
    """Whether MPEG-TS can carry the codec, so that another reader understands it."""
    return name in _VIDEO_IN_MPEG_TS or name in _AUDIO_IN_MPEG_TS
