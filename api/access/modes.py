"""Which ways to say who one is are on: decided once, when the service starts."""

from __future__ import annotations

from ipaddress import ip_address

from api.access.accounts import Accounts
from api.access.bearer import Keys, Verifier, source_of
from tams_data.errors import InvalidSetting
from tams_data.settings import Settings

SCHEMES = {"bearer": "bearer_token_auth", "basic": "basic_auth", "url": "url_token_auth"}
"""The ways, and what the specification calls them (TAMS 8.2, securitySchemes)."""


def modes_of(settings: Settings) -> frozenset[str]:
    """The ways that are on, by the keys of `SCHEMES`; none when access is open.

    :raise InvalidSetting: access would be open where others can reach it, and nobody has said that it is to be; or what
        is set cannot go together.
    """
    checked_by = [name for name in ("access_file", "jwt_issuer") if getattr(settings, name) is not None]
    if settings.access == "open" and checked_by:
        raise InvalidSetting(f"TAMS_ACCESS=open admits anyone, whatever TAMS_{checked_by[0].upper()} says: unset one")
    if settings.access not in (None, "open") and not checked_by:
        raise InvalidSetting(f"TAMS_ACCESS={settings.access} needs TAMS_ACCESS_FILE or TAMS_JWT_ISSUER to check by")
    if settings.access is None and not checked_by and not is_loopback(settings.host):
        raise InvalidSetting(
            f"TAMS_HOST={settings.host} can be reached by others, and nothing says who may use the service."
            " Set TAMS_ACCESS_FILE or TAMS_JWT_ISSUER; or TAMS_ACCESS=open, if anyone may do anything"
        )
    if not checked_by:
        return frozenset()
    return frozenset(SCHEMES if settings.access is None else settings.access.split(","))


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address.

    >>> [is_loopback(host) for host in ("127.0.0.2", "::1", "localhost", "0.0.0.0", "tams.example")]
    [True, True, True, False, False]
    """
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def accounts_of(settings: Settings) -> Accounts | None:
    """The tokens and users that are admitted, where a file says so.

    :raise InvalidSetting: it cannot be read.
    """
    return None if settings.access_file is None else Accounts(settings.access_file)


def verifier_of(settings: Settings) -> Verifier | None:
    """What tells who has a JWT, where an issuer is set.

    :raise InvalidSetting: it is not said whom they are for, or what their keys are; or the file of keys cannot be read.
    """
    if settings.jwt_issuer is None:
        return None
    if settings.jwt_audience is None or settings.jwt_keys is None:
        raise InvalidSetting("TAMS_JWT_ISSUER needs TAMS_JWT_AUDIENCE and TAMS_JWT_KEYS beside it")
    fetch = source_of(settings.jwt_keys)
    if "://" not in settings.jwt_keys:
        try:
            fetch()
        except OSError as error:
            raise InvalidSetting(f"TAMS_JWT_KEYS={settings.jwt_keys!r}: {error.strerror}") from error
    return Verifier(
        Keys(fetch),
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        name=settings.jwt_name,
        groups=settings.jwt_groups,
    )
