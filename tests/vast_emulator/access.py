"""How services and databases of the tests reach an emulator."""

from __future__ import annotations

from tams_data.settings import VastSettings
from tests.vast_emulator.emulator import ACCESS_KEY, SECRET_KEY, Emulator


def access_to(emulator: Emulator) -> dict[str, str]:
    """The variables of a service whose database is on the emulator."""
    keys = {"VAST_ACCESS_KEY": ACCESS_KEY, "VAST_SECRET_KEY": SECRET_KEY}
    return {"TAMS_DATABASE_URL": "vast://tams/tams", "VAST_ENDPOINT": emulator.endpoint, **keys}


def settings_of(emulator: Emulator) -> VastSettings:
    """The same for a database in this process."""
    return VastSettings(
        endpoint=emulator.endpoint, access_key=ACCESS_KEY, secret_key=SECRET_KEY, bucket="tams", _env_file=None
    )
