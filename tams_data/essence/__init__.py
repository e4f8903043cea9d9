"""Media files, and the media objects that a store keeps of them: everything that needs FFmpeg, through PyAV.

    media      what a file, a URL or an HLS playlist holds, described as TAMS flows
    cut        media into objects, at key frames and without transcoding
    join       objects into a file again, on the exact times of the flow
    bitrate    the bit rates of a flow's segments
    synth      made-up programmes for demonstrations

Nothing here knows a store or a network service; `tams_data.transfer` brings both together.
"""

from __future__ import annotations

from tams_data.essence.bitrate import BitRates
from tams_data.essence.cut import DEFAULT_LENGTH_NS, cut
from tams_data.essence.describe import EssenceStream
from tams_data.essence.join import Joined, Piece, Track, join, stream
from tams_data.essence.media import Media, open_media
from tams_data.essence.mpegts import MediaObject

__all__ = [
    "DEFAULT_LENGTH_NS",
    "BitRates",
    "EssenceStream",
    "Joined",
    "Media",
    "MediaObject",
    "Piece",
    "Track",
    "cut",
    "join",
    "open_media",
    "stream",
]
