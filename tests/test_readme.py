"""The README says what is: its configuration table is the settings class."""

from __future__ import annotations

from pathlib import Path

from pydantic_core import PydanticUndefined

from tams_data.settings import Settings

README = Path(__file__).parent.parent / "README.md"


def settings_table() -> str:
    """The table of every setting, as it stands in the README."""
    rows = ["| variable | default | what it is |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        assert field.default is not PydanticUndefined, f"{name} has no default"
        default = "" if field.default is None else f"`{field.default}`"
        rows.append(f"| `TAMS_{name.upper()}` | {default} | {field.description} |")
    return "\n".join(rows)


def test_the_configuration_table_is_that_of_the_settings_class():
    assert settings_table() in README.read_text(), f"the README lacks this table:\n{settings_table()}"


def test_every_folder_of_the_map_is_there():
    named = [line.split("`")[1] for line in README.read_text().splitlines() if line.startswith("| `")]
    folders = [name for name in named if name.endswith("/")]
    assert folders
    assert [folder for folder in folders if not (README.parent / folder).is_dir()] == []
