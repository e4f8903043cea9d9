"""Files that survive a crash whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Make what was created in or renamed into a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(folder: Path) -> None:
    """Create a folder, and those it is in, durably, for its owner and group. Nothing happens when it is there."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(mode=0o750, exist_ok=True)
    sync_folder(folder.parent)


def create_once(path: Path, make: Callable[[], bytes]) -> bytes:
    """The content of a small file; the first to ask makes it, whole and readable to its owner alone.

    :raise OSError: it can neither be read nor made.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        make_folder(path.parent)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(make())
            file.flush()
            os.fsync(handle)
        _link(Path(temporary), path)
    finally:
        os.unlink(temporary)  # noqa: PTH108  # mkstemp gives a name, not a Path
    sync_folder(path.parent)
    return path.read_bytes()


def _link(temporary: Path, path: Path) -> None:
    # A link, not a rename: it fails when another process came first, whose content then holds.
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        return
