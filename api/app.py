"""The application factory."""

from __future__ import annotations

from flask import Flask

from api import (
    compression,
    cors,
    errors,
    flows,
    health,
    hls,
    media,
    objects,
    profiles,
    segments,
    service,
    sources,
    webhooks,
)
from api.openapi import Api
from api.validation import check_query_text
from tams_data.media import LocalMediaStore
from tams_data.settings import Settings
from tams_data.store.store import Store


def create_app(store: Store, settings: Settings, *, secret: bytes) -> Flask:
    """The application that serves `store`; `secret` signs page tokens."""
    app = Api("api")
    app.config.update(
        TAMS_STORE=store,
        TAMS_SETTINGS=settings,
        TAMS_SECRET=secret,
        SWAGGER_CONFIG={"docExpansion": "list", "syntaxHighlight": False},
    )
    compression.register(app)
    cors.register(app, settings.origins)
    for module in (health, service, profiles, webhooks, sources, flows, hls, segments, objects):
        app.register_api(module.bp)
    _serve_media(app, store)
    app.before_request(check_query_text)
    errors.register(app)
    return app


def _serve_media(app: Flask, store: Store) -> None:
    """Serve the bytes that are in folders of this machine; other stores have URLs of their own."""

    def content_type(object_id: str) -> str:
        return str(store.uploadable(object_id).content_type)

    for one in store.media.values():
        if isinstance(one, LocalMediaStore):
            routes = media.blueprint(
                one, may_write=content_type, written=store.record_upload, authorise=_admit_everyone
            )
            app.register_blueprint(routes)


def _admit_everyone() -> None:
    """Open access: who can reach the service may use it."""
