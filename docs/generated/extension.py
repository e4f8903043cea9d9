"""What mkdocstrings reads docstrings with is extended: see `docstrings`."""

from __future__ import annotations

from typing import Any

import griffe

from docs.generated.docstrings import readable


class ReadableDocstrings(griffe.Extension):
    """Makes docstrings Markdown where griffe has read them."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring of a module, class, function or attribute."""
        if obj.docstring is not None:
            obj.docstring.value = readable(obj.docstring.value)
