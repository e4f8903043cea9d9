"""The variables that the project reads."""

from __future__ import annotations

from tams_data.settings import Settings, VastSettings

VARIABLES = {f"TAMS_{name.upper()}" for name in Settings.model_fields} | {
    f"VAST_{name.upper().removesuffix('_NAME')}" for name in VastSettings.model_fields
}
