"""Settings: read once at start-up, from `TAMS_*` variables or `.env`, and passed on as one value."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Literal

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from tams_data.errors import InvalidSetting


class Settings(BaseSettings):
    """What an operator can set. Each is the variable `TAMS_` and its name in capitals."""

    model_config = SettingsConfigDict(env_prefix="TAMS_", env_file=".env", extra="ignore", frozen=True)

    host: str = Field("127.0.0.1", description="Address to listen on")
    port: int = Field(8000, ge=1, le=65535, description="Port to listen on")
    public_url: str | None = Field(
        None,
        pattern=r"^(https?://[^/?#\s]+(/[^?#\s]*)?)?$",
        description="The service's URL as clients see it, behind a proxy; default: that of each request",
    )
    access: str | None = Field(
        None,
        pattern=r"^(open|(bearer|basic|url)(,(bearer|basic|url))*)$",
        description="How callers say who they are: some of `bearer`, `basic` and `url`, a comma list; or `open`: anyone"
        " may do anything. Default: all three where there is something to check them by, else `open`, on a loopback"
        " address alone",
    )
    access_file: Path | None = Field(None, description="File of the tokens and users that are admitted, as JSON")
    jwt_issuer: str | None = Field(None, description="Who issues the JWTs that are admitted: their claim `iss`")
    jwt_audience: str | None = Field(None, description="Whom the JWTs are for: their claim `aud`")
    jwt_keys: str | None = Field(None, description="Keys that the JWTs are signed with: a JWKS, by its URL or path")
    jwt_name: str = Field("sub", description="Claim of a JWT that is the name of the caller")
    jwt_groups: str | None = Field(
        None, description="Claim of a JWT that lists the groups of the caller; default: callers are not restricted"
    )
    token: SecretStr | None = Field(
        None, description="Token that the dashboard, the demo and `tams` commands of this service send to it"
    )
    rate_limit: float | None = Field(
        None, gt=0, description="Requests a second that one caller may send, ten seconds' worth at once; default: any"
    )
    data_dir: Path = Field(Path(".data"), description="Folder of the database, the media and the signing key")
    database_url: str | None = Field(
        None,
        description="Database: `duckdb:///path/to/file`, `duckdb://` in memory, or `vast://bucket/schema`;"
        " default: in the data folder",
    )
    analytics_url: SecretStr | None = Field(
        None,
        description="Engine that analyses run on: a URL as `ibis.connect` takes them, of a database that has the same"
        " tables; default: the database",
    )
    database_memory: str = Field(
        "512MB",
        pattern=r"(?i)^\d+(\.\d+)? ?[kmgt]i?b$",  # DuckDB takes a negative one as no limit
        description="Most memory the embedded database may use: `512MB`, or `2GiB`",
    )
    demo: bool = Field(True, description="Whether `tams run` puts the demo into an empty store")
    dashboard_host: str = Field("127.0.0.1", description="Address the dashboard listens on")
    dashboard_port: int = Field(5006, ge=1, le=65535, description="Port the dashboard listens on")
    dashboard_origins: str | None = Field(
        None,
        description="Hosts with ports under which browsers may open the dashboard, a comma list, or `*`;"
        " default: this machine's own",
    )
    dashboard: bool = Field(True, description="Whether `tams run` starts the dashboard, too")
    service_name: str = Field("TAMS", description="Name of the service, at `/service`")
    service_description: str = Field(
        "A time-addressable media store", description="Description of the service, at `/service`"
    )
    storage_label: str = Field("local", description="Label of the storage backend in the data folder")
    storage_backends: SecretStr | None = Field(
        None, description="Storage backends: a JSON array, or the path of a file with one; default: the data folder"
    )
    page_limit: int = Field(100, ge=1, description="Items on a page when the client does not say")
    page_limit_max: int = Field(1000, ge=1, description="Most items on a page, whatever the client says")
    object_timeout: int = Field(7200, ge=300, description="Seconds within which an allocated object must be registered")
    url_timeout: int = Field(3600, ge=30, description="Seconds a presigned URL is valid, or a sixtieth more")
    max_body: int = Field(16 * 2**20, ge=1024, description="Largest JSON body of a request, bytes")
    max_items: int = Field(10_000, ge=1, description="Most items of an array or an object in a body")
    max_segments: int = Field(5000, ge=1, description="Most segments in one POST")
    cors_origins: str | None = Field(
        None,
        pattern=r"^(\*|https?://[^/,*\s]+(,https?://[^/,*\s]+)*)$",
        description="Origins whose pages may use the service from a browser, a comma list, or `*`; default: none",
    )
    delete_at_once: int = Field(
        1000, ge=1, description="Most segments deleted in one transaction; more are deleted in the background"
    )
    copy_max: int = Field(5 * 2**30, ge=1, description="Largest object copied from a URL outside, bytes")
    allowed_destinations: str | None = Field(
        None,
        description="Networks, addresses and hosts that webhooks and copies may reach although they are not public,"
        " a comma list, or `*`; default: none",
    )
    webhook_attempts: int = Field(
        16, ge=1, description="How often an event is sent, each time later, before its webhook fails: 16 take 1.5 hours"
    )
    events_kept: int = Field(
        7 * 24 * 3600, ge=0, description="Seconds for which events can be read; those of webhooks until they are sent"
    )
    event_listeners: int = Field(
        16, ge=0, description="Most listeners at `/events`; each keeps a thread, and a quarter of the threads is enough"
    )
    count_accesses: bool = Field(
        True, description="Whether it is counted how often the bytes and the URLs of objects are asked for"
    )
    threads: int = Field(
        128, ge=1, description="Requests served at once; of these, half may be uploads, a quarter await other bodies"
    )
    client_timeout: int = Field(
        60, ge=2, description="Seconds after which a client that is gone, or takes nothing of an answer, is cut off"
    )
    group_commit: int = Field(64, ge=1, description="Most requests committed in one transaction; 1: each on its own")

    garbage_grace: int = Field(
        86400, ge=0, description="Seconds past `TAMS_OBJECT_TIMEOUT` after which what nothing uses is collected"
    )
    jobs: bool = Field(
        True, description="Whether `tams run` and `tams serve` carry out the jobs; else `tams worker` does"
    )
    drain_timeout: int = Field(
        30, ge=0, description="Seconds that requests under way may still take when the service is told to end"
    )
    metrics: bool = Field(True, description="Whether there are figures for Prometheus at `/metrics`")
    log_format: Literal["text", "json"] = Field("text", description="Logs as `text`, or as `json`, an object a line")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least that is logged: `debug`, `info`, `warning` or `error`"
    )
    log_requests: bool | None = Field(
        None, description="Whether each request is logged, in a line; default: as `json`, but not as `text`"
    )
    traces: bool = Field(False, description="Whether OpenTelemetry traces are sent; `OTEL_*` variables say where")

    @classmethod
    def load(cls, **given: object) -> Settings:
        """The settings from the environment and `.env`, `given` ones first.

        :raise InvalidSetting: a variable has a value that cannot be used; the message names it.
        """
        try:
            settings = cls(**given)  # type: ignore[arg-type]
        except ValidationError as error:
            first = error.errors()[0]
            name = f"TAMS_{'_'.join(map(str, first['loc'])).upper()}"
            raise InvalidSetting(f"{name}={first['input']!r}: {first['msg']}") from error
        if settings.url_timeout > settings.object_timeout:
            # TAMS 8.2, service schema: min_presigned_url_timeout is at most min_object_timeout.
            raise InvalidSetting(
                f"TAMS_URL_TIMEOUT={settings.url_timeout} is above TAMS_OBJECT_TIMEOUT={settings.object_timeout}"
            )
        return settings

    @cached_property
    def database(self) -> str:
        """The URL of the database."""
        return self.database_url or f"duckdb:///{self.data_dir / 'tams.duckdb'}"

    @property
    def logs_requests(self) -> bool:
        """Whether each request has a line in the log."""
        return self.log_format == "json" if self.log_requests is None else self.log_requests

    @property
    def origins(self) -> tuple[str, ...]:
        """The origins of `cors_origins`."""
        return tuple(self.cors_origins.split(",")) if self.cors_origins else ()

    @property
    def own_token(self) -> str | None:
        """What processes of this service send to it to be admitted."""
        return None if self.token is None else self.token.get_secret_value()

    @property
    def url(self) -> str:
        """Where the service is on this machine."""
        return _url(self.host, self.port)

    @property
    def dashboard_url(self) -> str:
        """Where the dashboard is on this machine."""
        return _url(self.dashboard_host, self.dashboard_port)


def service_url() -> str | None:
    """The URL of the service that is meant unless another is named: that of `TAMS_URL`, None where it is not set."""
    return os.environ.get("TAMS_URL") or None


def variables(settings: Settings) -> dict[str, str]:
    """Variables by which a process in another folder has the settings of this one: those of `.env`, too.

    Secrets are among them: they are for the environment of a process that is to be trusted with them.
    """
    known = {name.upper(): value for name, value in {**dotenv_values(".env"), **os.environ}.items()}
    ours = {name: value for name, value in known.items() if value and name.startswith(("TAMS_", "VAST_"))}
    ours["TAMS_DATA_DIR"] = str(settings.data_dir.resolve())
    ours["TAMS_DATABASE_URL"] = _absolute(settings.database)
    return ours


def _absolute(url: str) -> str:
    """A database URL that means the same in every folder."""
    scheme, _, place = url.partition("://")
    if scheme != "duckdb" or not place.removeprefix("/"):
        return url
    return f"duckdb:///{Path(place.removeprefix('/')).resolve()}"


def _url(host: str, port: int) -> str:
    if host in ("0.0.0.0", "127.0.0.1", "::"):  # noqa: S104
        return f"http://localhost:{port}"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class VastSettings(BaseSettings):
    """How VAST Database is reached. Each is the variable `VAST_` and its name in capitals."""

    model_config = SettingsConfigDict(env_prefix="VAST_", env_file=".env", extra="ignore", frozen=True)

    endpoint: str = Field(pattern=r"^https?://[^/@\s]+/?$", description="URL of the cluster")
    access_key: str = Field(repr=False, description="Access key")
    secret_key: SecretStr = Field(description="Secret key")
    bucket: str = Field(min_length=1, description="Bucket of the database")
    schema_name: str = Field("tams", min_length=1, alias="VAST_SCHEMA", description="Schema in the bucket")
    data_endpoints: str | None = Field(
        None, description="URLs that scans read from, a comma list; default: those the cluster names"
    )
    tls_verify: str = Field("true", description="`true`, `false`, or a file of the authorities to trust")
    timeout: float = Field(30, gt=0, description="Seconds to wait for an answer")
    retries: int = Field(5, ge=1, description="How often a busy cluster is asked")

    @classmethod
    def load(cls, **given: object) -> VastSettings:
        """The settings from the environment and `.env`, `given` ones first.

        :raise InvalidSetting: a variable is missing, or has a value that cannot be used; the message names it, and
            shows no value, which may be a key.
        """
        try:
            return cls(**given)  # type: ignore[arg-type]
        except ValidationError as error:
            first = error.errors()[0]
            name = "_".join(map(str, first["loc"])).upper().removeprefix("VAST_").removesuffix("_NAME")
            raise InvalidSetting(f"VAST_{name}: {first['msg']}") from None
