"""What an analysis is: a query with a name, documented columns, and parameters."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pyarrow as pa

from tams_data.engines.base import UNBOUND, Description, Query, Reader
from tams_data.errors import InvalidInput

Describe = Callable[[], Description]
Summary = Callable[..., Mapping[str, Any]]
"""Makes of the rows, and of those of the analyses `beside` by their names, what they add up to."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of an analysis beside the filters: a whole number from `least` to `most`, or one of `choices`.

    `shapes` says that the query is another one for each value, as for a limit; other values are bound to it.
    `default_text` is the default in words, where the runner has a better one than this.
    """

    description: str
    default: int | str
    least: int = 0
    most: int = 2**63 - 1
    choices: tuple[str, ...] = ()
    shapes: bool = False
    default_text: str = ""

    def checked(self, name: str, value: object) -> int | str:
        """The value.

        :raise InvalidInput: it is none that the parameter can have.
        """
        if self.choices:
            if isinstance(value, str) and value in self.choices:
                return value
            raise InvalidInput(f"{name} is one of {', '.join(self.choices)}, not {value!r}", field=name, value=value)
        if isinstance(value, int) and self.least <= value <= self.most:
            return value
        message = f"{name} is a whole number from {self.least} to {self.most}, not {value!r}"
        raise InvalidInput(message, field=name, value=value)


PRESENT = Parameter("The present, ns UTC", 0, default_text="the present")


@dataclass(frozen=True)
class Analysis:
    """A named query over the store's tables.

    `query` takes the tables, the filters of `filters.NAMES` that it `takes`, and its own `parameters`. `columns`
    says of each column of its rows what it holds and in which unit. `summary` makes of the rows what the whole adds
    up to. Where it takes more than the rows, `beside` names the other analyses, each with parameters of its own;
    they are run with the same filters, and those parameters that they have as well.
    """

    name: str
    query: Query
    description: str
    columns: Mapping[str, str]
    takes: tuple[str, ...]
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    summary: Summary | None = None
    beside: Mapping[str, tuple[str, Mapping[str, Any]]] = field(default_factory=dict)

    @cached_property
    def schema(self) -> pa.Schema:
        """The rows' schema, on every engine; each field's metadata carries the column's description."""
        _, options = self.split({})
        values = {name: one.default for name, one in self.parameters.items() if not one.shapes}
        types = self.query(UNBOUND, **values, **options).schema().to_pyarrow()
        return pa.schema(
            [types.field(name).with_metadata({"description": text}) for name, text in self.columns.items()]
        )

    def rows(
        self,
        reader: Reader,
        values: Mapping[str, Any],
        options: Mapping[str, Hashable],
        *,
        describe: Describe,  # noqa: ARG002  # for those that are not of the tables alone
    ) -> pa.Table:
        """Its rows, of which `schema` names the columns; values and options as `Reader.read` takes them."""
        return reader.read(self.query, values, **options)

    def split(self, given: Mapping[str, object]) -> tuple[dict[str, Any], dict[str, Hashable]]:
        """The own parameters, defaults where none is given: what is bound to the query, and what shapes it.

        :raise InvalidInput: there is no such parameter, or it cannot have this value.
        """
        for name in given.keys() - self.parameters.keys():
            raise InvalidInput(f"{self.name} has no parameter {name}", field=name, value=given[name])
        checked = {name: one.checked(name, given.get(name, one.default)) for name, one in self.parameters.items()}
        shaping = {name: value for name, value in checked.items() if self.parameters[name].shapes}
        return {name: value for name, value in checked.items() if name not in shaping}, dict(shaping)
