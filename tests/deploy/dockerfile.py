"""A Dockerfile without Docker: its instructions are read, and those of a stage carried out in a folder.

The folder stands for the root of the image: absolute paths of the Dockerfile's own are led there, and all else is that
of this machine. Everything is done as an ordinary user, even where the tests are run by root. Stages share the folder,
so what one copies from another has to keep its place.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.deploy.environments import ROOT, borrow, pinned, site_packages

USER = 10001
"""The user of the image."""

INSTALL = re.compile(r"python -m pip --python (?P<python>\S+) install .*--require-hashes --requirement (?P<lock>\S+)")
"""What downloads packages."""


@dataclass
class Stage:
    """A stage: its instructions in order, and what it begins with."""

    name: str
    base: str
    instructions: list[tuple[str, str]] = field(default_factory=list)


def stages(text: str) -> dict[str, Stage]:
    """The stages of a Dockerfile by name, in order."""
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    found: dict[str, Stage] = {}
    for line in lines.replace("\\\n", " ").splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            base, name = re.fullmatch(r"(\S+) AS (\S+)", rest).groups()  # type: ignore[union-attr]
            found[name] = Stage(name, base)
        elif word and found:
            list(found.values())[-1].instructions.append((word, rest.strip()))
    return found


def whole(found: Mapping[str, Stage], name: str) -> list[tuple[str, str]]:
    """The instructions of a stage, after those of the stage that it begins with."""
    stage = found[name]
    before = whole(found, stage.base) if stage.base in found else []
    return [*before, *stage.instructions]


class Image:
    """An image of a Dockerfile's stages, in a folder that any user may look into."""

    def __init__(self, folder: Path, context: Path = ROOT, *, downloads: bool = False) -> None:
        """With `downloads` packages are installed as it says; else those that the tests run with are borrowed."""
        self.root, self._context, self._downloads = folder, context, downloads
        self.user, self.group = (USER, USER) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
        self._stages = stages((context / "Dockerfile").read_text())
        self._own = {"tmp"} | {
            path.split("/")[1]
            for stage in self._stages.values()
            for word, rest in stage.instructions
            if word in ("WORKDIR", "COPY", "VOLUME") and (path := rest.split()[-1]).startswith("/")
        }
        self._base = folder / "base"
        self.environment: dict[str, str] = {}
        self.entrypoint: list[str] = []
        self.command: list[str] = []
        self.health: list[str] = []
        self._folder = folder

    def build(self, name: str) -> Image:
        """Carry out the instructions of a stage, from nothing."""
        self._stand_in_for_base()
        self.environment = {"PATH": f"{self._base / 'bin'}:/usr/bin:/bin", "LANG": "C.UTF-8"}
        (self.root / "tmp").mkdir()
        self._give(self.root / "tmp")
        for word, rest in whole(self._stages, name):
            self._DO[word](self, rest)
        return self

    def further(self, name: str) -> Image:
        """The image of a stage that begins with this one's, with what that adds, in the same folder."""
        image = copy(self)
        image.environment = dict(self.environment)
        for word, rest in self._stages[name].instructions:
            self._DO[word](image, rest)
        return image

    def leave_only(self, *kept: str) -> None:
        """Remove what a later stage does not have, and let nobody write to the rest but to `/data` and `/tmp`."""
        for one in self.root.iterdir():
            if one.name in kept or one.name == "base":
                continue
            shutil.rmtree(one)
        for path in (self.root / "opt").rglob("*"):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode & ~0o222)
        if os.geteuid() == 0:
            subprocess.run(["chown", "-Rh", "0:0", str(self.root / "opt")], check=True)

    def let_go(self) -> None:
        """Let its folder be removed."""
        for path in (one for one in self.root.rglob("*") if one.is_dir() and not one.is_symlink()):
            with suppress(FileNotFoundError):
                path.chmod(path.stat().st_mode | stat.S_IRWXU)

    def start(self, command: Sequence[str], **settings: str) -> subprocess.Popen[str]:
        """Start a command as its user, with nothing in the environment but the image's and `settings`."""
        return subprocess.Popen(
            command,
            cwd=self._folder,
            env={**self.environment, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            **self._as_user(),
        )

    def run(self, command: Sequence[str], **settings: str) -> subprocess.CompletedProcess[str]:
        """Run a command likewise, to its end."""
        with self.start(command, **settings) as process:
            output, _ = process.communicate(timeout=600)
        return subprocess.CompletedProcess(command, process.returncode, output)

    def files(self) -> set[Path]:
        """What is in the part that nobody may write to."""
        return set((self.root / "opt").rglob("*"))

    def _stand_in_for_base(self) -> None:
        """An environment with pip and the Python of this machine, where the base image has them."""
        subprocess.run([self._python(), "-m", "venv", "--without-pip", str(self._base)], check=True)
        borrow(self._base, ["pip"])
        for path in (self.root, self._base):
            path.chmod(0o755)
        self._give(self.root)

    def _python(self) -> str:
        """A Python of the version that the tests run with, which the user may run."""
        name = f"python{sys.version_info.major}.{sys.version_info.minor}"
        for candidate in (sys.executable, *(f"{folder}/{name}" for folder in ("/usr/local/bin", "/usr/bin"))):
            with suppress(OSError):
                asked = [candidate, "-c", "import sys, venv; print(*sys.version_info[:2], sep='.')"]
                done = subprocess.run(asked, check=False, capture_output=True, text=True, **self._as_user())
                if f"python{done.stdout.strip()}" == name:
                    return candidate
        pytest.skip(f"no {name} that an ordinary user of this machine may run")

    def _as_user(self) -> dict[str, object]:
        return {"user": self.user, "group": self.group, "extra_groups": []} if os.geteuid() == 0 else {}

    def _give(self, path: Path) -> None:
        if os.geteuid() == 0:
            subprocess.run(["chown", "-Rh", f"{self.user}:{self.group}", str(path)], check=True)

    def _led(self, text: str) -> str:
        """Text whose absolute paths are those in the folder, and whose user is the one here."""
        own = "|".join(map(re.escape, sorted(self._own)))
        led = re.sub(rf"(?<![\w./:}}])/(?={own})(?=[\w/])", f"{self.root}/", text)
        return re.sub(rf"\b{USER}\b", str(self.user), led.replace(f"-g {USER}", f"-g {self.group}"))

    def _run(self, rest: str) -> None:
        for step in re.sub(r"--mount=\S+\s+", "", rest).split("&&"):
            install = INSTALL.fullmatch(step.strip())
            if install is not None and not self._downloads:
                environment = Path(self._led(install["python"])).parents[1]
                borrow(environment, pinned((self._folder / install["lock"]).read_text()))
                self._give(site_packages(environment))
                continue
            done = self.run(["/bin/sh", "-c", self._led(step)])
            assert done.returncode == 0, f"RUN {step.strip()}\n{done.stdout}"

    def _copy(self, rest: str) -> None:
        *sources, target = shlex.split(rest)
        if sources[0].startswith("--from="):
            assert sources[1:] == [target], "stages share the folder: it has to keep its place"
            self._carried(sources[0].removeprefix("--from="), target)
            return
        to = Path(self._led(target)) if target.startswith("/") else self._folder / target
        for source in map(self._context.joinpath, sources):
            if source.is_dir():
                shutil.copytree(source, to, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                to.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, to)
        self._give(to)

    def _carried(self, stage: str, path: str) -> None:
        """Have what another stage makes."""
        if not Path(self._led(path)).exists():
            environment, folder = dict(self.environment), self._folder
            for word, rest in whole(self._stages, stage):
                self._DO[word](self, rest)
            self.environment, self._folder = environment, folder

    def _env(self, rest: str) -> None:
        for name, value in (one.split("=", 1) for one in shlex.split(rest)):
            self.environment[name] = self._led(value).replace("$PATH", self.environment["PATH"])

    def _workdir(self, rest: str) -> None:
        self._folder = Path(self._led(rest))
        if not self._folder.exists():
            self._folder.mkdir(parents=True)
            self._give(self._folder)

    def _entrypoint(self, rest: str) -> None:
        self.entrypoint = self._exec_form(rest)

    def _command(self, rest: str) -> None:
        self.command = self._exec_form(rest)

    def _health(self, rest: str) -> None:
        self.health = self._exec_form(rest.partition("CMD ")[2])

    def _exec_form(self, rest: str) -> list[str]:
        found: list[str] = json.loads(rest)  # the shell form would not pass SIGTERM on
        return [self._led(one) for one in found]

    def _nothing(self, _: str) -> None:
        """It says something to Docker alone."""

    _DO: Mapping[str, Callable[[Image, str], None]] = {
        "RUN": _run,
        "COPY": _copy,
        "ENV": _env,
        "WORKDIR": _workdir,
        "ENTRYPOINT": _entrypoint,
        "CMD": _command,
        "HEALTHCHECK": _health,
        **dict.fromkeys(("USER", "EXPOSE", "VOLUME", "STOPSIGNAL"), _nothing),
    }
