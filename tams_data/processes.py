"""Processes of the service: that start one another, and that listen on a port."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time

from tams_data.errors import InvalidSetting


def check_port(host: str, port: int) -> None:
    """Refuse an address on which this process cannot listen alone.

    The server shares its port with whoever else does (SO_REUSEPORT): of two services on one port, with different
    stores, each would be sent a part of the requests.

    :raise InvalidSetting: another process listens there, or the address is none of this machine's.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of before may still be closing
            probe.bind(address)
    except OSError as error:
        raise InvalidSetting(f"TAMS_HOST={host}, TAMS_PORT={port}: {error.strerror}") from error


def end_with_parent() -> None:
    """Have this process killed when the one that started it is gone: an orphan would hold its port, and a database."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="tams-parent-watch", daemon=True).start()
