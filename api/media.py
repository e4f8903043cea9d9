"""`/media/{token}`: the bytes of the objects that this service keeps itself, read and uploaded."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime, timezone
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, request
from werkzeug.exceptions import LengthRequired, RequestedRangeNotSatisfiable, UnsupportedMediaType
from werkzeug.http import parse_date, parse_options_header
from werkzeug.wsgi import wrap_file

from tams_data.errors import InvalidInput
from tams_data.media import LocalMediaStore, OpenObject, Stat
from tams_data.media.local import NS_PER_S
from tams_data.media.tokens import object_id_of
from tams_data.media.uploads import CHUNK

# What an object's id gives does not change once it is registered, and only registered objects have URLs to GET. Not
# for shared caches: the next one to ask may not be allowed to. A day, and not for ever, because ids can be used anew
# when all segments of an object are deleted.
_CACHE_CONTROL = "private, max-age=86400, immutable"

# Media are of any type that a client says, HTML as well, and share an origin with the API and the dashboard: a
# browser that opens them runs nothing.
_SAFETY = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox"}

_WITH_BYTES = (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT)

_DATES = ("HTTP_IF_MODIFIED_SINCE", "HTTP_IF_RANGE")

_CHECKSUM_HEADERS = {"Content-MD5": "md5", "x-amz-checksum-sha256": "sha256"}
"""Headers in which a client says what its upload must be (RFC 1864; TAMS AppNote 0021): base64 of the digest."""


def blueprint(
    media: LocalMediaStore,
    *,
    may_write: Callable[[str], str],
    written: Callable[[str, int], object],
    placed: Callable[[str], object],
    read: Callable[[str], object],
    authorise: Callable[[str], None],
    receiving: Callable[[], AbstractContextManager[object]],
) -> Blueprint:
    """The routes that read and write the bytes in `media`.

    `authorise` checks the credentials of the present request against the object and raises what refuses them; it is not
    asked when a URL is presigned. `may_write` gives the content type an object must be uploaded with, and raises when
    the object may not be uploaded: it is not allocated, or registered already and so immutable. `written` is told the
    object and its size in bytes when all of it is stored and none of it visible yet; as an upload takes its time, it
    raises for the same reasons, and what it raises undoes the upload. `placed` is told the object when all is visible,
    and raises when nobody wants it any more; then it also sees that the bytes go. `read` is told the object whose bytes
    are sent. Bytes are received within `receiving`, which raises when there are too many uploads at once.
    """
    bp = Blueprint(media.path.strip("/"), __name__, url_prefix=media.path)

    @bp.get("/<token>")
    @bp.get("/<token>/<name>")
    def get_media(token: str, name: str = "") -> Response:  # noqa: ARG001  # for players, see `named`
        """The bytes of an object, or one range of them.

        :raise UrlRefused: the URL is presigned, and expired or forged.
        :raise ObjectNotFound: nothing is stored under the token.
        :raise RequestedRangeNotSatisfiable: the range lies behind the end.
        """
        object_id = object_id_of(token)
        _admit(media, object_id, authorise)
        answer = _answer(media.open(object_id))
        if request.method == "GET" and answer.status_code in _WITH_BYTES:
            read(object_id)
        return answer

    @bp.put("/<token>")
    def put_media(token: str) -> Response:
        """Upload the bytes of an object.

        :raise UrlRefused: the URL is presigned, and expired or forged.
        :raise ObjectNotFound: no object has the token.
        :raise LengthRequired: the request does not say how many bytes it has.
        :raise UnsupportedMediaType: the object is meant to be of another type.
        :raise UploadBroken: there were fewer bytes, or more.
        :raise InvalidInput: a checksum differs, or a header cannot be read.
        :raise TooManyBodies: as many are uploaded as may at once.
        """
        object_id = object_id_of(token)
        _admit(media, object_id, authorise)
        length, checksums = _content_length(), _checksums()
        content_type = may_write(object_id)
        _check_content_type(content_type)
        with receiving():
            stat = media.write(
                object_id,
                request.stream,
                length=length,
                content_type=content_type,
                checksums=checksums,
                confirm=lambda: written(object_id, length),
            )
        placed(object_id)
        # 200 for a new object too, as S3 does: clients of presigned URLs were written against that.
        response = Response(status=200)
        _describe(response, stat)
        return response

    return bp


def named(url: str, suffix: str, *, base_url: str) -> str:
    """A URL that ends like a file of a kind, for players that go by it, if it is one of this service; else as it is."""
    if not (suffix and url.startswith(f"{base_url}/media/")):
        return url
    path, mark, query = url.partition("?")
    return f"{path}/media{suffix}{mark}{query}"


def _admit(media: LocalMediaStore, object_id: str, authorise: Callable[[str], None]) -> None:
    expires, signature = request.args.get("expires"), request.args.get("signature")
    if expires is None and signature is None:
        authorise(object_id)
    else:
        media.check_url(request.method, object_id, expires=expires or "", signature=signature or "")


def _answer(opened: OpenObject) -> Response:
    stat = opened.stat
    # Closed with the response, whether it is sent or given up. The wrapper seeks to a range; on its own initiative it
    # would read 8 KB at a time, a quarter as fast.
    body = wrap_file(request.environ, opened.file, CHUNK)
    response = Response(body, content_type=stat.content_type, direct_passthrough=True)
    response.content_length = stat.size_bytes
    response.last_modified = datetime.fromtimestamp(stat.modified_ns // NS_PER_S, timezone.utc)
    response.headers["Cache-Control"] = _CACHE_CONTROL
    response.headers.update(_SAFETY)
    _describe(response, stat)
    try:
        response.make_conditional(
            _with_dates(request.environ),
            accept_ranges=True,
            complete_length=stat.size_bytes if _wants_one_range(stat.size_bytes) else None,
        )
    except RequestedRangeNotSatisfiable:
        opened.close()
        raise
    return response


def _with_dates(environ: Mapping[str, Any]) -> dict[str, Any]:
    """A request without the dates of numbers that no date has: a date that is none says nothing (RFC 9110, 13.1.3)."""
    return {name: "" if name in _DATES and not _can_be_read(value) else value for name, value in environ.items()}


def _can_be_read(date: str) -> bool:
    try:
        parse_date(date)
    except OverflowError:  # which werkzeug lets through
        return False
    return True


def _wants_one_range(size_bytes: int) -> bool:
    """Whether the request is for one range of bytes that is less than all.

    What else `Range` may say is answered with the whole, as RFC 9110, 14.2 allows; werkzeug would refuse it: other
    units, several ranges, what cannot be read, and the last n bytes of fewer than n.
    """
    asked = request.range
    return asked is not None and asked.units == "bytes" and len(asked.ranges) == 1 and asked.ranges[0][0] > -size_bytes


def _describe(response: Response, stat: Stat) -> None:
    response.set_etag(stat.etag)
    if stat.sha256 is not None:
        response.headers["x-amz-checksum-sha256"] = base64.b64encode(stat.sha256).decode()


def _content_length() -> int:
    if "Content-Range" in request.headers:
        given = request.headers["Content-Range"]
        raise InvalidInput("an upload has all of the bytes", field="Content-Range", value=given)
    if request.content_length is None:
        # A chunked body that breaks off looks whole: granian ends the stream the same way for both.
        raise LengthRequired("an upload says in Content-Length how many bytes it has")
    return request.content_length


def _check_content_type(wanted: str) -> None:
    """Refuse another type than the object's; a request that says nothing does not contradict."""
    given = request.headers.get("Content-Type")
    if given is not None and parse_options_header(given.lower()) != parse_options_header(wanted.lower()):
        raise UnsupportedMediaType(f"the object is meant to be {wanted}, not {given}")


def _checksums() -> Mapping[str, bytes]:
    given = {header: request.headers[header] for header in _CHECKSUM_HEADERS if header in request.headers}
    return {_CHECKSUM_HEADERS[header]: _digest(header, text) for header, text in given.items()}


def _digest(header: str, text: str) -> bytes:
    size = hashlib.new(_CHECKSUM_HEADERS[header], usedforsecurity=False).digest_size
    try:
        digest = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:  # ValueError: not ASCII
        raise InvalidInput(f"{header} is not base64: {text!r}", field=header, value=text) from error
    if len(digest) != size:
        raise InvalidInput(f"{header} has {len(digest)} bytes, not {size}: {text!r}", field=header, value=text)
    return digest
