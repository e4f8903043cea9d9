"""HLS playlists (RFC 8216) of flows: text from what is known of segments and flows, no media and no store.

A playlist lists whole objects, because HLS cannot take a part of one. So where a segment uses part of its object:

- the object is listed with the duration of all of its media, which is what a player gets, and its date is that of its
  first sample. An edit that cuts within objects shows more than it has around these cuts; an export shows the edit.
- parts of one object one after another are the object, once.

Time stamps in the objects are the flow's time less `ts_offset`. Where they jump, a discontinuity is said: `ts_offset`
changes, media is missing or comes twice, or another initialisation object begins.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from urllib.parse import quote

from tams_data.timerange import NS_PER_SECOND, utc_from_tai

CONTENT_TYPE = "application/vnd.apple.mpegurl"

SEAMLESS_NS = NS_PER_SECOND // 1000
"""What time stamps may jump by without a player's notice. Clocks of 90 kHz round, and so do clients."""

_AUDIO_GROUP = "audio"
_AUDIO_CODECS = {
    "audio/ac3": "ac-3",
    "audio/eac3": "ec-3",
    "audio/flac": "fLaC",
    "audio/mpeg": "mp4a.40.34",
    "audio/opus": "Opus",
}
_AAC_LC = 2


@dataclass(frozen=True, slots=True)
class Entry:
    """An object in a playlist.

    `start_ns` and `end_ns` are where all of its media lies on the flow's timeline; `ts_offset_ns` is flow time minus
    object time. `object_key` tells one object from another.
    """

    object_key: object
    uri: str
    start_ns: int
    end_ns: int
    ts_offset_ns: int
    init_uri: str | None = None
    init_key: object = None


@dataclass(frozen=True, slots=True)
class Rendition:
    """A flow in a multivariant playlist: where its playlist is, and its peak bit rate in bit/s."""

    uri: str
    flow: Mapping[str, Any]
    name: str
    bit_rate: int


# --- one flow --------------------------------------------------------------------------------------------------------


def media_playlist(
    entries: Iterable[Entry],
    *,
    ended: bool,
    number: int = 0,
    run: int = 0,
    least_target_ns: int = 0,
    note: str | None = None,
) -> str:
    """Return the playlist of one flow; `entries` are in the order of its timeline.

    Unless it has `ended`, players come back for more. Then `number` counts the entries that were listed before these
    and are no longer, and `run` the discontinuities before the first of these. No player expects a longer object than
    the longest here, or of `least_target_ns`. `note` is for people.
    """
    listed = once(entries)
    longest_ns = max([least_target_ns, *(entry.end_ns - entry.start_ns for entry in listed)])
    lines = [
        "#EXTM3U",
        f"#EXT-X-VERSION:{6 if any(entry.init_uri for entry in listed) else 3}",
        f"#EXT-X-TARGETDURATION:{max(1, -(-longest_ns // NS_PER_SECOND))}",
        f"#EXT-X-MEDIA-SEQUENCE:{number}",
        f"#EXT-X-DISCONTINUITY-SEQUENCE:{run}",
    ]
    lines += ["#EXT-X-PLAYLIST-TYPE:VOD"] if ended else []
    lines += [f"# {note}"] if note else []
    for before, entry in pairwise([None, *listed]):
        lines += _entry_lines(before, entry)
    lines += ["#EXT-X-ENDLIST"] if ended else []
    return "\n".join([*lines, ""])


def once(entries: Iterable[Entry]) -> list[Entry]:
    """Return entries without those that repeat the object before them, at the same place.

    >>> first, second = Entry(1, "a", 0, 4, 0), Entry(2, "b", 4, 8, 0)
    >>> [entry.uri for entry in once([first, first, second, first])]
    ['a', 'b', 'a']
    """
    kept: list[Entry] = []
    for entry in entries:
        last = kept[-1] if kept else None
        if last is None or (last.object_key, last.ts_offset_ns) != (entry.object_key, entry.ts_offset_ns):
            kept.append(entry)
    return kept


def _entry_lines(before: Entry | None, entry: Entry | None) -> Iterator[str]:
    if entry is None:
        return
    seamless = before is not None and _goes_on(before, entry)
    if not seamless:
        if before is not None:
            yield "#EXT-X-DISCONTINUITY"
        if entry.init_uri is not None:
            yield f'#EXT-X-MAP:URI="{_on_a_line(entry.init_uri)}"'
        yield f"#EXT-X-PROGRAM-DATE-TIME:{_date(entry.start_ns)}"
    yield f"#EXTINF:{_seconds(entry.end_ns - entry.start_ns)},"
    yield _on_a_line(entry.uri)


def _on_a_line(uri: str) -> str:
    r"""A URI as a line or an attribute: clients register any text, which must not become a tag of the playlist.

    >>> _on_a_line("https://a.example/é.ts?b=c%20d"), _on_a_line('#EXT\n"')
    ('https://a.example/%C3%A9.ts?b=c%20d', '%23EXT%0A%22')
    """
    quoted = quote(uri, safe="%:/?#[]@!$&'()*+,;=~")
    return f"%23{quoted[1:]}" if quoted.startswith("#") else quoted


def _goes_on(before: Entry, entry: Entry) -> bool:
    """Whether the time stamps of an object follow on those of the one before, in the same initialisation."""
    jumps = (entry.start_ns - before.end_ns, entry.ts_offset_ns - before.ts_offset_ns)
    return before.init_key == entry.init_key and all(abs(jump_ns) <= SEAMLESS_NS for jump_ns in jumps)


def _date(ns: int) -> str:
    """A TAI timestamp as UTC, to the millisecond; players read no second 60, so a leap second repeats second 59."""
    return utc_from_tai(ns).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _seconds(ns: int) -> str:
    seconds, rest = divmod(ns, NS_PER_SECOND)
    return f"{seconds}.{rest:09}"


# --- several flows ---------------------------------------------------------------------------------------------------


def multivariant_playlist(videos: Sequence[Rendition], audios: Sequence[Rendition]) -> str:
    """Return a playlist of playlists: each video is a variant, with every audio to choose from.

    Without a video, each audio is a variant. CODECS is left out where one of the codecs is not known well enough: a
    player takes it for the whole truth.
    """
    lines = ["#EXTM3U", "#EXT-X-VERSION:6"]
    if not videos:
        return "\n".join([*lines, *(line for audio in audios for line in _variant(audio, [])), ""])
    names = _unique([audio.name for audio in audios])
    lines += [_audio(audio, name, default=audio is audios[0]) for audio, name in zip(audios, names, strict=True)]
    lines += [line for video in videos for line in _variant(video, audios)]
    return "\n".join([*lines, ""])


def _variant(rendition: Rendition, audios: Sequence[Rendition]) -> Iterator[str]:
    essence = rendition.flow.get("essence_parameters") or {}
    codecs = [codec_string(one.flow) for one in (rendition, *audios)]
    attributes = {"BANDWIDTH": str(rendition.bit_rate + max((audio.bit_rate for audio in audios), default=0))}
    known = [codec for codec in codecs if codec is not None]
    if len(known) == len(codecs):
        attributes["CODECS"] = _quoted(",".join(dict.fromkeys(known)))
    if "frame_width" in essence:
        attributes["RESOLUTION"] = f"{essence['frame_width']}x{essence['frame_height']}"
    if rate := essence.get("frame_rate"):
        attributes["FRAME-RATE"] = f"{rate['numerator'] / rate.get('denominator', 1):.3f}"
    if audios:
        attributes["AUDIO"] = _quoted(_AUDIO_GROUP)
    yield f"#EXT-X-STREAM-INF:{_attributes(attributes)}"
    yield rendition.uri


def _audio(rendition: Rendition, name: str, *, default: bool) -> str:
    attributes = {"TYPE": "AUDIO", "GROUP-ID": _quoted(_AUDIO_GROUP), "NAME": _quoted(name)}
    language = (rendition.flow.get("tags") or {}).get("language_code")
    if isinstance(language, str):
        attributes["LANGUAGE"] = _quoted(language)
    attributes |= {"DEFAULT": "YES" if default else "NO", "AUTOSELECT": "YES"}
    channels = (rendition.flow.get("essence_parameters") or {}).get("channels")
    if channels is not None:
        attributes["CHANNELS"] = _quoted(str(channels))
    return f"#EXT-X-MEDIA:{_attributes(attributes | {'URI': _quoted(rendition.uri)})}"


def codec_string(flow: Mapping[str, Any]) -> str | None:
    """Return the codec of a flow as RFC 6381 has it; None where its parameters do not say enough.

    >>> codec_string({"codec": "video/h264", "essence_parameters": {"avc_parameters": {
    ...     "profile": 100, "flags": 0, "level": 31}}})
    'avc1.64001F'
    """
    codec = str(flow.get("codec"))
    essence = flow.get("essence_parameters") or {}
    if codec == "video/h264" and (avc := essence.get("avc_parameters")):
        parts = [avc[name] for name in ("profile", "flags", "level")]
        return "avc1." + "".join(f"{part:02X}" for part in parts) if all(0 <= p <= 0xFF for p in parts) else None
    if codec == "audio/aac":
        return f"mp4a.40.{(essence.get('codec_parameters') or {}).get('mp4_oti', _AAC_LC)}"
    return _AUDIO_CODECS.get(codec)


def _unique(names: Sequence[str]) -> list[str]:
    """Names as they are, numbered where they come again: those of a group differ (RFC 8216, 4.3.4.1.1)."""
    return [
        name if names.index(name) == number else f"{name} ({names[: number + 1].count(name)})"
        for number, name in enumerate(names)
    ]


def _attributes(attributes: Mapping[str, str]) -> str:
    return ",".join(f"{name}={value}" for name, value in attributes.items())


def _quoted(text: str) -> str:
    """A quoted string of an attribute, which can have neither quotes nor line ends in it."""
    return '"' + "".join("'" if character == '"' else character for character in text if character.isprintable()) + '"'
