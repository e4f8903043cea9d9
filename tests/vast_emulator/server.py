"""The socket: HTTP/1.1 with connections that are kept, a thread for each, and bodies that stream."""

from __future__ import annotations

import logging
import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from tests.vast_emulator.answers import Answer
from tests.vast_emulator.errors import Refused
from tests.vast_emulator.faults import ConnectionDropped
from tests.vast_emulator.routes import Request

if TYPE_CHECKING:
    from tests.vast_emulator.emulator import Emulator

_log = logging.getLogger(__name__)


class Server:
    """Answers requests in threads of this process."""

    def __init__(self, emulator: Emulator, host: str, port: int, name: str) -> None:
        """Listen on `port` of an address of this machine; `name` is what answers say in `Server`."""
        self._http = _HTTPServer(emulator, host, port, name)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def endpoint(self) -> str:
        """Where it listens, as this machine sees it."""
        return f"http://127.0.0.1:{self._http.server_port}"

    def close(self) -> None:
        """Stop listening and cut the connections that are open."""
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()
        self._http.cut_connections()


class _HTTPServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, emulator: Emulator, host: str, port: int, name: str) -> None:
        self.emulator = emulator
        self.name = name
        self._connections: set[socket.socket] = set()
        super().__init__((host, port), _Handler)

    def process_request(self, request: socket.socket, client_address: tuple[str, int]) -> None:  # type: ignore[override]
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket) -> None:  # type: ignore[override]
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002
        if isinstance(sys.exc_info()[1], ConnectionError):
            _log.debug("%s has gone", client_address)
        else:
            _log.exception("while answering %s", client_address)

    def cut_connections(self) -> None:
        for connection in list(self._connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:  # its client was faster
                _log.debug("a connection was closed already")


class _Handler(BaseHTTPRequestHandler):
    server: _HTTPServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 2**16

    def version_string(self) -> str:
        return self.server.name

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has in the library
        _log.debug(format, *args)

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            self._send(self.server.emulator.answer(Request(self.command, self.path, self.headers, body)))
            self.wfile.flush()
        except (ConnectionDropped, Refused):  # a fault, or a transaction that ended while its rows were sent
            self._cut()
        except ConnectionError:  # the client has gone
            self.close_connection = True

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - the names it looks for

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if isinstance(answer.body, bytes):
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)
        else:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self._send_chunks(answer.body)

    def _send_chunks(self, pieces: Iterator[bytes]) -> None:
        for piece in filter(None, pieces):  # an empty one would be the end
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def _cut(self) -> None:
        """Send what is written so far, and no more."""
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)
