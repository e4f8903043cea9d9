"""The data layer of the time-addressable media store: tables, time ranges, queries, commands and media."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("tams-data-service")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"
