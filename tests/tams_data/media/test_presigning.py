"""Presigned URLs are to the letter those that botocore makes: the S3 service of the tests checks no signature."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from unittest import mock
from urllib.parse import parse_qsl, urlsplit

import boto3
import botocore.auth
import pytest
from botocore.config import Config
from hypothesis import given
from hypothesis import strategies as st

from tams_data.media.presigning import Credentials, Presigner
from tests.tams_data.media.stores import NOW_NS, Clock

BUCKET = "media"
EXPIRES_S = 3600
STEP_S = 60
KEYS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
TEMPORARY = Credentials("ASIA/EXAMPLE", "secret", "token/with+odd=characters==")


def theirs(method: str, key: str, *, endpoint: str, region: str, credentials: Credentials, **params: str) -> str:
    """The URL that botocore makes at NOW_NS."""
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        aws_session_token=credentials.token,
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )
    then = datetime.fromtimestamp(NOW_NS // 10**9, timezone.utc)
    with mock.patch.object(botocore.auth, "get_current_datetime", return_value=then.replace(tzinfo=None)):
        url: str = client.generate_presigned_url(
            {"GET": "get_object", "PUT": "put_object"}[method],
            Params={"Bucket": BUCKET, "Key": key, **params},
            ExpiresIn=EXPIRES_S + STEP_S,
        )
    client.close()
    return url


def ours(method: str, key: str, *, endpoint: str, region: str, credentials: Credentials, **params: str) -> str:
    presigner = Presigner(
        f"{endpoint}/{BUCKET}/",
        region=region,
        expires_s=EXPIRES_S,
        step_s=STEP_S,
        credentials=lambda: credentials,
        clock_ns=Clock(),
    )
    return presigner.get_url(key) if method == "GET" else presigner.put_url(key, content_type=params["ContentType"])


def taken_apart(url: str) -> tuple[str, dict[str, str]]:
    """A URL without its query, and the query: botocore writes its parameters in another order than it signs them."""
    return url.partition("?")[0], dict(parse_qsl(urlsplit(url).query, strict_parsing=True))


@pytest.mark.parametrize("credentials", [KEYS, TEMPORARY], ids=["lasting", "temporary"])
@pytest.mark.parametrize(
    ("endpoint", "region"),
    [
        pytest.param("https://s3.eu-west-2.amazonaws.com", "eu-west-2", id="aws"),
        pytest.param("http://127.0.0.1:9000", "us-east-1", id="a-port"),
        pytest.param("https://s3.example:443", "vast-1", id="the-port-of-https"),
        pytest.param("http://s3.example:80", "vast-1", id="the-port-of-http"),
        pytest.param("http://[::1]:9000", "us-east-1", id="ipv6"),
    ],
)
@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(("GET", "one.ts", {}), id="get"),
        pytest.param(("GET", "a/b c/~ä+%2F?#&=日本", {}), id="get-odd-key"),
        pytest.param(("PUT", "one.ts", {"ContentType": "video/mp2t"}), id="put"),
        pytest.param(("PUT", "~YS9i", {"ContentType": 'video/mp4;  codecs="avc1, mp4a"'}), id="put-odd-type"),
    ],
)
def test_url_is_that_of_botocore(
    asked: tuple[str, str, dict[str, str]], endpoint: str, region: str, credentials: Credentials
) -> None:
    method, key, params = asked
    where = {"endpoint": endpoint, "region": region, "credentials": credentials}
    expected = taken_apart(theirs(method, key, **where, **params))
    assert expected[1]["X-Amz-Date"] == time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(NOW_NS // 10**9))
    assert taken_apart(ours(method, key, **where, **params)) == expected


@given(key=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_url_leads_to_its_key_whatever_is_in_it(key: str) -> None:
    url = ours("GET", key, endpoint="https://s3.example", region="r", credentials=KEYS)
    assert url.isascii()
    path, query = taken_apart(url)
    assert urlsplit(path).path.startswith(f"/{BUCKET}/")
    assert len(query["X-Amz-Signature"]) == 64


def test_url_is_signed_anew_for_another_minute_and_other_credentials() -> None:
    clock, credentials = Clock(), [KEYS]
    presigner = Presigner(
        "https://s3.example/media/",
        region="r",
        expires_s=EXPIRES_S,
        step_s=STEP_S,
        credentials=lambda: credentials[0],
        clock_ns=clock,
    )
    urls = [presigner.get_url("a")]
    clock.now_ns += (STEP_S - 1) * 10**9
    urls.append(presigner.get_url("a"))
    clock.now_ns += 10**9
    urls.append(presigner.get_url("a"))
    credentials[0] = TEMPORARY
    urls.append(presigner.get_url("a"))
    clock.now_ns += 86_400 * 10**9
    urls.append(presigner.get_url("a"))
    assert len(set(urls)) == 4
    fresh = Presigner(
        "https://s3.example/media/",
        region="r",
        expires_s=EXPIRES_S,
        step_s=STEP_S,
        credentials=lambda: TEMPORARY,
        clock_ns=clock,
    )
    assert urls[-1] == fresh.get_url("a")


def test_url_holds_at_least_as_long_as_is_announced() -> None:
    """The time of signing is cut to steps, so there is one more."""
    _, query = taken_apart(ours("GET", "a", endpoint="https://s3.example", region="r", credentials=KEYS))
    assert query["X-Amz-Expires"] == str(EXPIRES_S + STEP_S)


def test_secrets_do_not_show() -> None:
    assert "secret" not in repr(TEMPORARY)
    assert "token" not in repr(TEMPORARY)
