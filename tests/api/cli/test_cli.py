"""The command line as a whole."""

from __future__ import annotations

import subprocess
import sys


def test_commands_that_serve_nothing_do_not_load_what_does():
    code = "import sys, api.cli; print(sorted({'flask', 'granian', 'panel', 'vastdb'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
