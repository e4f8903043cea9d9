"""Clients that are gone, or take nothing of their answers: the kernel ends their connections, and so frees the threads.

A thread that sends waits for the client to take what it has, and one that receives would wait for ever for a client
whose machine or network has failed. Connections inherit from the socket that they are accepted on how long that may be.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_LOOK_S = 0.05
_PROBES = 3
"""How often who says nothing is asked whether they are there, in the last part of the time."""


def bound(port: int, timeout_s: int) -> None:
    """Have connections to this process end whose client, for so many seconds, is gone or takes nothing.

    It returns at once, and looks for the socket until it listens. Linux only; elsewhere, nothing.
    """
    if sys.platform == "linux":
        threading.Thread(target=_bound, args=(port, timeout_s), name="tams-silence", daemon=True).start()


def _bound(port: int, timeout_s: int) -> None:
    waiting = threading.Event()
    while not (found := list(_listening(port))):
        waiting.wait(_LOOK_S)
    for one in found:
        with one:
            set_timeouts(one, timeout_s)


def set_timeouts(listening: socket.socket, timeout_s: int) -> None:
    """Set them on a socket that listens, for all that are accepted on it from now on."""
    interval_s = max(1, timeout_s // (2 * _PROBES))
    for level, option, value in (
        (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout_s * 1000),
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, max(1, timeout_s // 2)),
        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, interval_s),
        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _PROBES),
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    ):
        listening.setsockopt(level, option, value)


def _listening(port: int) -> Iterator[socket.socket]:
    """The sockets of this process that listen on a port; granian opens them itself, and shows them to nobody."""
    for link in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            if str(link.readlink()).startswith("socket:"):
                one = socket.socket(fileno=os.dup(int(link.name)))
                if _is_listening(one, port):
                    yield one
                else:
                    one.close()


def _is_listening(one: socket.socket, port: int) -> bool:
    is_tcp = one.family in (socket.AF_INET, socket.AF_INET6) and one.type == socket.SOCK_STREAM
    return is_tcp and bool(one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)) and one.getsockname()[1] == port
