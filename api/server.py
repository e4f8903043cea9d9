"""The service as a process: granian in front of the application, one worker, many threads.

The main process looks after the worker alone: it loads neither the application, `api.application`, nor an engine.
"""

from __future__ import annotations

from typing import Any

from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels

from api.access.modes import modes_of
from api.watching import logs
from tams_data.processes import check_port
from tams_data.settings import Settings

_HEADERS_WITHIN_MS = 15_000
"""Who takes longer to say what they want is not heard. Of bodies granian has no such limit: see `intake`."""

_END_S = 15
"""What the store may take to be closed, beside the time for requests: then the main process ends the worker."""


class _Server(Granian):  # type: ignore[misc, valid-type]  # which class it is depends on the Python
    """Granian, whose workers take their time to end, and end at once when they are told a second time."""

    def signal_handler_interrupt(self, *args: Any, **kwargs: Any) -> None:
        if self.interrupt_signal:
            for worker in self.wrks:
                worker.kill()
        super().signal_handler_interrupt(*args, **kwargs)


def serve(settings: Settings) -> None:
    """Serve until the process is told to stop. The worker reads its settings from the environment as well.

    :raise InvalidSetting: it is not said who may use the service, and others could reach it; or another process
        listens at its address.
    """
    logs.configure(settings)
    modes_of(settings)  # here as well, where the message is all that is shown
    check_port(settings.host, settings.port)
    server = _Server(
        "api.application:application",
        factory=True,
        interface=Interfaces.WSGI,
        address=settings.host,
        port=settings.port,
        # An embedded database is open in one process only; threads serve the requests.
        workers=1,
        workers_kill_timeout=settings.drain_timeout + _END_S,
        blocking_threads=settings.threads,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=_HEADERS_WITHIN_MS),
        websockets=False,
        log_level=LogLevels.error,
        log_dictconfig=logs.configuration(settings),
    )
    server.serve()
