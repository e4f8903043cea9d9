"""What a browser may be made to send: pages of other sites can reach a service on the machine of who looks at them."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import request

from api.access.modes import is_loopback
from tams_data.errors import NotPermitted
from tams_data.settings import Settings

_READING = ("GET", "HEAD", "OPTIONS")


class Browsers:
    """Refuses requests that a page of another site has a browser send, where it can be told."""

    def __init__(self, settings: Settings, *, is_open: bool) -> None:
        self._origins = frozenset(settings.origins)
        public = urlsplit(settings.public_url or "")
        self._own = f"{public.scheme}://{public.netloc}"
        # Said outright, "open" is open by any name.
        self._by_local_names = is_open and settings.access is None
        self._names = frozenset(filter(None, (public.hostname, settings.host)))

    def check(self) -> None:
        """Refuse the present request if it is a page's of another site.

        :raise NotPermitted: it is.
        """
        if request.method not in _READING and "Origin" in request.headers:
            self._check_origin(request.headers["Origin"])
        if self._by_local_names:
            self._check_name(urlsplit(f"//{request.host}").hostname or "")

    def _check_origin(self, origin: str) -> None:
        """A browser sends a POST for any page, and credentials it knows with it; `Origin` says whose page it is."""
        if request.headers.get("Sec-Fetch-Site") in ("same-origin", "none"):
            return
        own = (self._own, request.host_url.rstrip("/"))
        if origin not in own and not self._origins & {origin, "*"}:
            raise NotPermitted(f"a page of {origin} may not change anything here: see TAMS_CORS_ORIGINS")

    def _check_name(self, name: str) -> None:
        """A page's own name can be made to lead to this machine, where access is open: nobody asks for it by that."""
        if name not in self._names and not is_loopback(name) and not name.endswith(".localhost"):
            raise NotPermitted(f"access is open to this machine, which is not called {name}: set TAMS_PUBLIC_URL")
