"""An Ibis backend over anything that can scan a table, and filter its rows as far as it is able.

`Backend().connect(source)` gives an Ibis connection to the tables of a `Source`; `tams_data.scan.vast` is the one
over VAST Database, and `ibis.vast`. This package knows nothing of the rest of the project.
"""

from tams_data.scan.backend import Backend
from tams_data.scan.source import Snapshot, Source

__all__ = ["Backend", "Snapshot", "Source"]
