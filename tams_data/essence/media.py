"""Media to be ingested: a file, a URL or a playlist, and what is in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tams_data.essence import hls
from tams_data.essence.describe import EssenceStream, describe_inputs
from tams_data.essence.inputs import FileInput, Input, fingerprint, is_url


@dataclass(frozen=True, slots=True)
class Media:
    """What a file or playlist holds.

    `runs` follow each other on the flow's timeline; the inputs of one run share a timeline. The streams are those of
    the first run, and every run must have them. `notices` say what was left out. `duration_ns` is what the file or
    the playlist says of itself, for showing progress.
    """

    name: str
    runs: Sequence[Sequence[Input]]
    streams: tuple[EssenceStream, ...]
    notices: tuple[str, ...]
    duration_ns: int | None = None

    @property
    def title(self) -> str:
        """The name of the file or playlist, without where it lies and what kind it is."""
        return Path(urlsplit(self.name).path if is_url(self.name) else self.name).stem

    def fingerprint(self) -> str:
        """Return a text that is the same for the same media, wherever it lies; local files are read through.

        For what lies on the network it is made from the URLs alone.
        """
        return fingerprint([source for run in self.runs for source in run])


def open_media(location: str | Path) -> Media:
    """Look into a file, a URL or an HLS playlist. `UnreadableMedia` when that fails."""
    where = str(location)
    if hls.is_playlist(where):
        playlist = hls.load(where)
        described = describe_inputs(playlist.runs[0])
        notices = playlist.notices + described.notices
        return Media(where, playlist.runs, described.streams, notices, playlist.duration_ns)
    described = describe_inputs([FileInput(where)])
    return Media(where, ((FileInput(where),),), described.streams, described.notices, described.duration_ns)
