"""Where the service may send requests of its own: to the public internet, and to what the operator allows beside it.

URLs that clients name, of webhooks and of objects to copy, must not lead the service into the network around it
(server-side request forgery; TAMS 8.2, POST webhooks). A name may have another address when it is connected to than
when it was checked. So the check is where the connection is made: a name is resolved once, every address it has must
be allowed, and one of those is connected to, while `Host` and TLS keep the name. Redirects are new connections.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from socket import SOCK_STREAM, gaierror, getaddrinfo
from time import monotonic
from typing import TypeAlias

import httpcore
import httpx

from tams_data.errors import DestinationRefused, InvalidSetting

Address: TypeAlias = "IPv4Address | IPv6Address"

_NAT64 = IPv6Network("64:ff9b::/96")
_UNICAST = IPv6Network("2000::/3")
"""All that IANA has given out of IPv6. What is beside it means this machine or this network to somebody: NAT64 of a
site's own, addresses of sites, IPv4 written as IPv6 in ways that nobody uses any more."""

_ISATAP = (0x00005EFE, 0x02005EFE)
"""How the last half of an IPv6 address begins that ends in an IPv4 address (RFC 5214)."""

_EVERYTHING = "*"
_NAME = "TAMS_ALLOWED_DESTINATIONS"


@dataclass(frozen=True)
class Destinations:
    """The rule: public addresses, those in `networks`, and whatever address the `hosts` have."""

    networks: Sequence[IPv4Network | IPv6Network] = ()
    hosts: frozenset[str] = frozenset()
    everything: bool = False

    @classmethod
    def parse(cls, text: str | None) -> Destinations:
        """The rule with what is allowed beside public addresses: a comma list of networks, addresses and host names.

        `*` allows everything.

        :raise InvalidSetting: one of them is none.

        >>> Destinations.parse("10.0.0.0/8,::1,recorder.example").allows("recorder.example", "192.168.0.1")
        True
        """
        words = [word.strip() for word in text.split(",")] if text else []
        networks, hosts = [], set()
        for word in words:
            try:
                networks.append(ip_network(word))
            except ValueError as error:
                if not word or set(word) & set("/:") or word.replace(".", "").isdecimal():
                    raise InvalidSetting(f"{_NAME}={text!r}: {word!r} is no network, address or host") from error
                hosts.add(_plain(word))
        return cls(tuple(networks), frozenset(hosts - {_EVERYTHING}), _EVERYTHING in hosts)

    def allows(self, host: str, address: str) -> bool:
        """Whether a host may be connected to at an address.

        >>> [Destinations().allows("a.example", address) for address in ("93.184.215.14", "::ffff:10.0.0.1")]
        [True, False]
        """
        if self.everything or _plain(host) in self.hosts:
            return True
        found: Address = ip_address(address.partition("%")[0])
        if isinstance(found, IPv6Address):
            found = found.ipv4_mapped or found
        return all(self._allows(one) for one in (found, *_embedded(found)))

    def addresses(self, host: str, port: int) -> list[str]:
        """The addresses of a host that may be connected to.

        :raise DestinationRefused: one of its addresses is not allowed.
        :raise OSError: it has none, or it is not known now.
        """
        found = list(dict.fromkeys(str(info[4][0]) for info in getaddrinfo(host, port, type=SOCK_STREAM)))
        for address in found:
            if not self.allows(host, address):
                raise DestinationRefused(_refusal(host, address), value=host)
        return found

    def check(self, url: str, *, field: str) -> None:
        """Refuse a URL that leads where no requests are sent. A name that nobody knows now is not refused.

        :raise DestinationRefused: it does; `field` is where the URL was given.
        """
        try:
            parsed = httpx.URL(url)
            self.addresses(parsed.host, parsed.port or 0)
        except DestinationRefused as error:
            raise DestinationRefused(str(error), field=field, value=url) from error
        except (gaierror, OSError, UnicodeError, httpx.InvalidURL):
            return

    def _allows(self, address: Address) -> bool:
        if any(address.version == network.version and address in network for network in self.networks):
            return True
        if isinstance(address, IPv6Address) and address not in _UNICAST and address not in _NAT64:
            return False
        return address.is_global and not address.is_multicast


PUBLIC = Destinations()
"""Public addresses alone."""


def _embedded(address: Address) -> list[IPv4Address]:
    """The IPv4 addresses that packets to an IPv6 address may end up at."""
    if isinstance(address, IPv4Address):
        return []
    found = [address.sixtofour, *(address.teredo or ())]
    if address in _NAT64 or (int(address) >> 32) & 0xFFFFFFFF in _ISATAP:
        found.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return [one for one in found if one is not None]


def _refusal(host: str, address: str) -> str:
    if _plain(host) == address:
        return f"this service sends no requests to {address}"
    return f"{host} is at {address}, where this service sends no requests"


def _plain(host: str) -> str:
    return host.lower().rstrip(".")


class GuardedTransport(httpx.HTTPTransport):
    """Sends requests to allowed destinations only, each within `seconds` in all, whatever its timeouts are.

    It knows no proxies: what a proxy connects to cannot be checked.
    """

    def __init__(self, destinations: Destinations, *, seconds: float) -> None:
        context = _context()
        super().__init__(verify=context)
        self._seconds = seconds
        self._backend = _Backend(destinations)
        # httpx has no other way to give its connections a network: tests hold that they are made by this one.
        self._pool = httpcore.ConnectionPool(
            ssl_context=context, max_keepalive_connections=1, network_backend=self._backend
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request.

        :raise DestinationRefused: it is to a host that may not be asked.
        """
        self._backend.deadline = monotonic() + self._seconds
        return super().handle_request(request)


@lru_cache(maxsize=1)
def _context() -> ssl.SSLContext:
    """Certificates are read once: that takes longer than most requests."""
    return httpx.create_ssl_context()


class _Backend(httpcore.NetworkBackend):
    """Connects to addresses that were checked."""

    def __init__(self, destinations: Destinations) -> None:
        self._destinations, self._inner = destinations, httpcore.SyncBackend()
        self.deadline = 0.0

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            addresses = self._destinations.addresses(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(str(error)) from error
        failure: httpcore.ConnectError | httpcore.ConnectTimeout | None = None
        for address in addresses:
            try:
                left = _left(self.deadline, timeout, httpcore.ConnectTimeout)
                stream = self._inner.connect_tcp(address, port, left, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _Stream(stream, self)
        raise failure or httpcore.ConnectError(f"{host} has no address")


class _Stream(httpcore.NetworkStream):
    """A connection on which nothing is waited for beyond the deadline of its backend."""

    def __init__(self, inner: httpcore.NetworkStream, backend: _Backend) -> None:
        self._inner, self._backend = inner, backend

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(self._backend.deadline, timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left(self._backend.deadline, timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = _left(self._backend.deadline, timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left), self._backend)

    def get_extra_info(self, info: str) -> object:
        return self._inner.get_extra_info(info)


def _left(deadline: float, timeout: float | None, late: type[httpcore.TimeoutException]) -> float:
    """The seconds that may still be waited.

    :raise httpcore.TimeoutException: none, as a `late`.
    """
    left = deadline - monotonic()
    if left <= 0:
        raise late("it took too long")
    return left if timeout is None else min(left, timeout)
