"""What is done about access before a request is answered: who sends it, may they, and not too often."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote_plus

from flask import Flask, Response, g, request

from api.access.authentication import Authentication
from api.access.browsers import Browsers
from api.access.rates import Rates
from api.access.scopes import needed, takes_whole_store
from tams_data.access import Caller, Scope
from tams_data.errors import NotPermitted, StoreUnavailable, TooManyRequests, Unauthenticated
from tams_data.settings import Settings

CREDENTIALS = "access_token"
"""The query parameter that may carry a caller's token (TAMS 8.2, url_token_auth); no operation's own."""

_TOKENS = "tams.access_tokens"
"""Where in the environment of a request the tokens of its URL are kept."""

_NOBODY = Caller(scopes=frozenset(), groups=frozenset())
"""Who has not been asked for credentials: sees nothing, should anything be shown."""


def register(app: Flask, settings: Settings, authentication: Authentication) -> None:
    """Have every request to the application admitted, or refused."""
    app.config["TAMS_ACCESS"] = authentication
    app.wsgi_app = _TokensTakenOut(app.wsgi_app)  # type: ignore[method-assign]  # as Flask would have it
    admission = _Admission(authentication, Rates(settings.rate_limit) if settings.rate_limit else None)
    app.config["TAMS_ADMISSION"] = admission
    browsers = Browsers(settings, is_open=not authentication.modes)

    @app.before_request
    def admit() -> None:
        # What has no rule is not found, or may not be asked so, whoever asks. A browser asks OPTIONS before it may send
        # credentials.
        if request.url_rule is not None and request.method != "OPTIONS":
            browsers.check()
            scopes = needed(request.method, request.url_rule.rule)
            if scopes is not None:
                g.caller = admission.admitted(scopes, request.url_rule.rule)

    @app.after_request
    def challenge(response: Response) -> Response:
        if url_tokens():  # RFC 6750, 2.3: what is asked for in this way is in nobody else's cache
            response.headers.setdefault("Cache-Control", "private")
        if response.status_code == 401:
            response.headers.extend(("WWW-Authenticate", one) for one in authentication.challenges)
        return response


def admit_to_media(app: Flask) -> Caller:
    """Who sends the present request for the bytes of an object, at a URL that is not presigned.

    :raise Unauthenticated, NotPermitted, TooManyRequests: it is refused.
    """
    admission: _Admission = app.config["TAMS_ADMISSION"]
    g.caller = admission.admitted(frozenset({Scope.WRITE if request.method == "PUT" else Scope.READ}), "")
    return caller()


def known_caller(app: Flask) -> Caller:
    """Who sends the present request, where anybody may: whoever is not known, for whatever reason, sees nothing."""
    authentication: Authentication = app.config["TAMS_ACCESS"]
    try:
        return authentication.caller(request.headers.get("Authorization"), url_tokens())
    except (Unauthenticated, StoreUnavailable, TooManyRequests):  # the last two: nobody can verify it now
        return _NOBODY


def caller() -> Caller:
    """Who sends the present request; who was not asked for credentials has no scope and sees nothing."""
    found: Caller = g.get("caller", _NOBODY)
    return found


def url_tokens() -> list[str]:
    """The tokens in the URL of the present request."""
    found: list[str] = request.environ.get(_TOKENS, [])
    return found


class _Admission:
    def __init__(self, authentication: Authentication, rates: Rates | None) -> None:
        self._authentication, self._rates = authentication, rates

    def admitted(self, scopes: frozenset[Scope], rule: str) -> Caller:
        """Who sends the present request, which takes one of these scopes.

        :raise Unauthenticated: it is not known who.
        :raise NotPermitted: the caller has none of the scopes, or is not shown all that the path tells of.
        :raise TooManyRequests: it is one too many.
        """
        found = self._known()
        if self._rates is not None:
            self._rates.take(found.name or _place())
        if not found.has(*scopes):
            raise NotPermitted(f"this takes {' or '.join(sorted(scopes | {Scope.ADMIN}))}, which {found.name} has not")
        if found.is_restricted and takes_whole_store(rule):
            raise NotPermitted(f"this tells of the whole store, of which {found.name} is shown a part")
        return found

    def _known(self) -> Caller:
        """Who sends the present request. Who is not known may not try for ever."""
        try:
            return self._authentication.caller(request.headers.get("Authorization"), url_tokens())
        except Unauthenticated:
            if self._rates is not None:
                self._rates.take(_place())
            raise


def _place() -> str:
    """Where the present request comes from, told apart from names."""
    return f"at:{request.remote_addr}"


class _TokensTakenOut:
    """Takes `access_token` out of the URL of a request at the door: what is logged or told of the URL lacks it."""

    def __init__(self, application: Any) -> None:
        self._application = application

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        query = environ.get("QUERY_STRING", "")
        if query:
            tokens, rest = _separated(query)
            if tokens:
                environ[_TOKENS], environ["QUERY_STRING"] = tokens, rest
                for name in ("REQUEST_URI", "RAW_URI"):
                    if name in environ:
                        environ[name] = environ[name].partition("?")[0] + (f"?{rest}" if rest else "")
        return self._application(environ, start_response)


def _separated(query: str) -> tuple[list[str], str]:
    """The tokens in a query, and the query without them.

    >>> _separated("limit=2&access_token=a%20b")
    (['a b'], 'limit=2')
    """
    tokens, rest = [], []
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if (unquote_plus(name) if "%" in name else name) == CREDENTIALS:
            tokens.append(unquote_plus(value))
        else:
            rest.append(part)
    return tokens, "&".join(rest)
