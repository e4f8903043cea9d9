"""The application factory."""

from __future__ import annotations

from functools import partial

from flask import Flask, request

from api import (
    access_tokens,
    analytics,
    compression,
    cors,
    deletion_requests,
    errors,
    events,
    flows,
    health,
    hls,
    instances,
    intake,
    jobs,
    keeping,
    media,
    metrics,
    objects,
    profiles,
    segments,
    service,
    sources,
    stretch,
    tables,
    webhooks,
)
from api.access import admission, headers
from api.access.authentication import Authentication
from api.openapi import Api
from api.state import seen_table
from api.validation import check_query_text
from api.watching import requests
from api.watching.metrics import Metrics
from api.watching.requests import OpenSpan
from api.watching.traffic import Traffic
from tams_data import schema
from tams_data.analytics import analytics_of
from tams_data.errors import ObjectConflict
from tams_data.media import LocalMediaStore
from tams_data.settings import Settings
from tams_data.store.guards import check_bytes
from tams_data.store.store import Store


def create_app(store: Store, settings: Settings, *, secret: bytes, open_span: OpenSpan | None = None) -> Flask:
    """The application that serves `store`; `secret` signs page tokens and tokens that are lent, and
    `open_span` records what requests take.

    :raise InvalidSetting: there is no engine for analyses such as the settings ask for, or access is not said.
    """
    app = Api("api")
    app.config.update(
        TAMS_STORE=store,
        TAMS_ANALYTICS=analytics_of(store.database, settings),
        TAMS_SETTINGS=settings,
        TAMS_SECRET=secret,
        TAMS_TRAFFIC=Traffic(),
        TAMS_INTAKE=intake.Intake(settings.threads),
        SWAGGER_CONFIG={"docExpansion": "list", "syntaxHighlight": False},
    )
    _watch(app, open_span)
    compression.register(app)
    cors.register(app, settings.origins)
    headers.register(app, settings)
    intake.register(app)
    admission.register(app, settings, Authentication.of(settings, secret))
    for module in (
        service,
        profiles,
        webhooks,
        events,
        sources,
        flows,
        hls,
        stretch,
        segments,
        objects,
        instances,
        deletion_requests,
        analytics,
        health,
        jobs,
        access_tokens,
    ):
        app.register_routes(module.bp)
    app.register_routes(tables.blueprint_of(store.database, schema.TABLES, seen=seen_table))
    app.register_blueprint(keeping.bp)
    _serve_media(app, store)
    app.before_request(check_query_text)
    errors.register(app)
    return app


def _watch(app: Api, open_span: OpenSpan | None) -> None:
    settings, store, traffic = app.config["TAMS_SETTINGS"], app.config["TAMS_STORE"], app.config["TAMS_TRAFFIC"]
    figures = Metrics(store, traffic) if settings.metrics else None
    if figures is not None:
        app.register_routes(metrics.blueprint_of(figures))
    observe = None if figures is None else figures.observe
    requests.register(app, traffic, observe=observe, open_span=open_span, logged=settings.logs_requests)


def _serve_media(app: Flask, store: Store) -> None:
    """Serve the bytes that are in folders of this machine; other stores have URLs of their own."""

    for one in store.media.values():
        if isinstance(one, LocalMediaStore):
            routes = media.blueprint(
                one,
                may_write=partial(_content_type, store, one.backend.id),
                written=store.record_upload,
                placed=partial(store.check_upload, storage_id=one.backend.id),
                read=store.accesses.bytes_sent,
                authorise=partial(_admit_to, app, store),
                receiving=app.config["TAMS_INTAKE"].upload,
            )
            app.register_blueprint(routes)


def _content_type(store: Store, storage_id: str, object_id: str) -> str:
    """The content type of an object that is to be uploaded to this backend.

    :raise ObjectConflict: it is not to be uploaded, or to another backend.
    """
    allocated = store.uploadable(object_id)
    if allocated.storage_id != storage_id:
        raise ObjectConflict(
            f"object {object_id!r} is to be uploaded to another storage backend", field="object_id", value=object_id
        )
    return str(allocated.content_type)


def _admit_to(app: Flask, store: Store, object_id: str) -> None:
    """Refuse who may not read, or not upload, an object at a URL that is not presigned.

    :raise Unauthenticated, NotPermitted, TooManyRequests: the caller may not ask for bytes, or not for these.
    :raise ObjectNotFound: the caller does not see the object.
    """
    asking = admission.admit_to_media(app)
    if asking.is_restricted:
        check_bytes(store, asking, object_id, upload=request.method == "PUT")
