"""Pages: opaque signed tokens, and the paging headers of TAMS 8.2."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import orjson
from flask import Response, current_app, request, url_for
from itsdangerous import BadData, URLSafeSerializer
from pydantic import Field

from api.models.common import QueryCount
from api.state import settings
from api.validation import Query
from tams_data.errors import InvalidPageToken
from tams_data.queries.paging import SortKey


class Paged(Query):
    """The parameters of every list."""

    page: str | None = Field(None, description="Token of a page, from the `Link` or `X-Paging-NextKey` header")
    limit: QueryCount | None = Field(None, description="Most items wanted; the service has a maximum of its own")

    def size(self) -> int:
        """How many items the page has at most."""
        chosen = settings()
        return min(self.limit or chosen.page_limit, chosen.page_limit_max)

    def after(self, of: str) -> tuple[Any, ...] | None:
        """Where the page starts, as `token` was given it; None for the first page.

        :raise InvalidPageToken: the token is not of this list of this service.
        """
        if self.page is None:
            return None
        try:
            return tuple(_serializer(of).loads(self.page))
        except BadData as error:
            raise InvalidPageToken(f"page {self.page!r} is not of this list", field="page", value=self.page) from error

    def after_values(self, of: str, order: Sequence[SortKey]) -> dict[str, Any]:
        """Where the page starts, as values of the query.

        :raise InvalidPageToken: the token is of a list in another order.
        """
        after = self.after(of)
        if after is not None and len(after) != len(order):
            raise InvalidPageToken(f"page {self.page!r} is of another order", field="page", value=self.page)
        return {} if after is None else {"after": after}


def token(of: str, key: Iterable[Any]) -> str:
    """The opaque text of a place in the list `of`."""
    text: str = _serializer(of).dumps(list(key))
    return text


def _serializer(of: str) -> URLSafeSerializer:
    return URLSafeSerializer(current_app.config["TAMS_SECRET"], salt=f"page:{of}")


def json(data: Any, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON response."""
    return Response(orjson.dumps(data), content_type="application/json", headers=dict(headers or {}))


def created(data: Any, endpoint: str, **variables: Any) -> Response:
    """The response that creates a resource: what it is, and in `Location` where it is from now on."""
    response = json(data, {"Location": base_url() + url_for(endpoint, **variables)})
    response.status_code = 201
    return response


def page_of(
    items: list[Any], query: Paged, *, next_key: str | None, headers: Mapping[str, str] | None = None
) -> Response:
    """A page of a list with its headers; `next_key` is the token of the next page, if there is one."""
    return json(items, {**paging_headers(query, len(items), next_key), **(headers or {})})


def paging_headers(query: Paged, count: int, next_key: str | None) -> dict[str, str]:
    """`X-Paging-*` and `Link`: on every page, the last one too."""
    headers = {"X-Paging-Limit": str(query.size()), "X-Paging-Count": str(count)}
    if hasattr(query, "reverse_order"):
        headers["X-Paging-Reverse-Order"] = "true" if query.reverse_order else "false"
    if next_key is not None:
        headers["X-Paging-NextKey"] = next_key
        headers["Link"] = f'<{_url_of(next_key)}>; rel="next"'
    return headers


def _url_of(next_key: str) -> str:
    """The present request with another page: its filters and its limit stay."""
    kept = [(key, value) for key, value in request.args.items(multi=True) if key != "page"]
    # Not request.path: it is decoded, and an object id may have any character in it.
    path = url_for(request.endpoint or "", **(request.view_args or {}))
    return f"{base_url()}{path}?{urlencode([*kept, ('page', next_key)])}"


def base_url() -> str:
    """The service's own URL as the caller sees it, without a slash at the end."""
    return (settings().public_url or request.host_url).rstrip("/")
