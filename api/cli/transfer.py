"""`tams ingest`, `tams export` and `tams demo`: media in and out of a service, through its API.

Failures are `TamsDataError`; the group that these commands join turns them into one line and an exit code.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tams_data.client import TamsClient
from tams_data.errors import InvalidInput
from tams_data.settings import Settings
from tams_data.timerange import NS_PER_SECOND, TimeRange, parse_timestamp, tai_from_unix_ns

_URL_HELP = "URL of the TAMS service (TAMS_URL); default: the one that `tams run` starts here"
