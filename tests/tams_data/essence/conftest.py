"""Cutting in tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tams_data.essence import Media, MediaObject, cut, open_media


@pytest.fixture
def cut_up() -> Iterator[Callable[..., list[list[MediaObject]]]]:
    """Cuts a file into the objects of each stream; their files are closed after the test."""
    made: list[MediaObject] = []

    def cut_up(media: Media | Path, **options: int) -> list[list[MediaObject]]:
        opened = media if isinstance(media, Media) else open_media(media)
        by_stream: list[list[MediaObject]] = [[] for _ in opened.streams]
        for one in cut(opened, **options):
            made.append(one)
            by_stream[one.stream.index].append(one)
        return by_stream

    yield cut_up
    for one in made:
        one.body.close()
