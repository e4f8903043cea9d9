"""`make run-vast`: the whole service on the emulator, from a checkout, to try the VAST engine on a laptop."""

from __future__ import annotations

import os
import subprocess
import sys

from tams_data.settings import Settings
from tests.vast_emulator.emulator import ACCESS_KEY, SECRET_KEY, Emulator

BUCKET = "tams"


def main() -> int:
    """Serve until interrupted, with rows and media in a folder `vast` of the data folder; what the service returns."""
    folder = Settings.load().data_dir / "vast"
    folder.mkdir(parents=True, exist_ok=True)
    with Emulator(data=folder / "emulator.duckdb") as emulator:
        emulator.create_bucket(BUCKET)
        environment = {
            **os.environ,
            "TAMS_DATA_DIR": str(folder),
            "TAMS_DATABASE_URL": f"vast://{BUCKET}/tams",
            "VAST_ENDPOINT": emulator.endpoint,
            "VAST_ACCESS_KEY": ACCESS_KEY,
            "VAST_SECRET_KEY": SECRET_KEY,
        }
        command = [sys.executable, "-c", "from api.cli import main; main()", "run"]
        with subprocess.Popen(command, env=environment) as service:
            try:
                return service.wait()
            except KeyboardInterrupt:  # which the service got as well
                return service.wait()


if __name__ == "__main__":
    sys.exit(main())
