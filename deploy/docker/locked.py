"""Print the part of requirements.lock that some packages need: `python locked.py pyproject.toml requirements.lock`.

Without names it is what the project needs to run, so that an image has no test tools in it; with names, what those do.
The lock says after each entry what asked for it, so nothing is resolved here, and hashes and markers stay as they are.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

_ENTRY = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==.*(?:\n[ \t]+.*)*", re.MULTILINE)
_NAME = re.compile(r"[A-Za-z0-9._-]+")
_BY = re.compile(r"^\s+#\s+(?:via\s+)?(?P<name>[A-Za-z0-9._-]+)", re.MULTILINE)


def needed(lock: str, roots: Iterable[str]) -> str:
    """The options of a lock, and its entries that `roots` are or ask for, directly or not.

    :raise KeyError: a root is not in the lock.
    """
    entries = [(_canonical(found["name"]), found.group()) for found in _ENTRY.finditer(lock)]
    asked_by = {name: set[str]() for name, _ in entries}
    for name, text in entries:
        asked_by[name].update(map(_canonical, _BY.findall(text)))
    wanted = {_canonical(name) for name in roots}
    if missing := wanted - asked_by.keys():
        raise KeyError(f"not in the lock: {', '.join(sorted(missing))}")
    wanted = _closed(wanted, asked_by)
    options = [line for line in lock.splitlines() if line.startswith("--")]
    return "\n".join([*options, *(text for name, text in entries if name in wanted)]) + "\n"


def _closed(wanted: set[str], asked_by: Mapping[str, set[str]]) -> set[str]:
    """`wanted`, with all that is asked for by what is in it."""
    more = wanted | {name for name, by in asked_by.items() if by & wanted}
    return wanted if more == wanted else _closed(more, asked_by)


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def dependencies(pyproject: str) -> list[str]:
    """The names of what the project needs to run."""
    import tomllib  # noqa: PLC0415  # Python 3.11, which images have

    found = (_NAME.match(one) for one in tomllib.loads(pyproject)["project"]["dependencies"])
    return [one.group() for one in found if one is not None]


if __name__ == "__main__":
    project, lock, *names = sys.argv[1:]
    sys.stdout.write(needed(Path(lock).read_text(), names or dependencies(Path(project).read_text())))
