"""An S3 service on this machine, to test against: moto's server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from uuid import uuid4

import boto3

from tams_data.media.backends import S3Backend

ACCESS_KEY, SECRET_KEY = "key-of-the-tests", "secret-of-the-tests"


@contextmanager
def serve() -> Iterator[str]:
    """The URL of an S3 service while it runs."""
    from moto.server import ThreadedMotoServer  # noqa: PLC0415  # a second of imports, for few of the tests

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    try:
        yield endpoint
    finally:
        client(endpoint).close()
        server.stop()


@cache
def client(endpoint: str) -> Any:
    """A client of an S3 service, to look behind what is tested."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
    )


def described(endpoint: str, **more: Any) -> S3Backend:
    """A storage backend in a new bucket, unless it is named, as operators describe them."""
    if "bucket" not in more:
        more["bucket"] = f"b-{uuid4()}"
        client(endpoint).create_bucket(Bucket=more["bucket"])
    keys = {"access_key": ACCESS_KEY, "secret_key": SECRET_KEY}
    return S3Backend.model_validate({"type": "s3", "id": str(uuid4()), "endpoint": endpoint, **keys, **more})


def keys(endpoint: str, bucket: str) -> list[str]:
    """The keys of a bucket, and those of uploads in parts that have not ended."""
    whole = client(endpoint).list_objects_v2(Bucket=bucket).get("Contents", [])
    begun = client(endpoint).list_multipart_uploads(Bucket=bucket).get("Uploads", [])
    return [one["Key"] for one in [*whole, *begun]]


def empty(endpoint: str, bucket: str) -> None:
    """Delete every object of a bucket."""
    for one in client(endpoint).list_objects_v2(Bucket=bucket).get("Contents", []):
        client(endpoint).delete_object(Bucket=bucket, Key=one["Key"])
