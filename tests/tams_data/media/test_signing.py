"""Signatures of URLs, and the secret they are made with."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tams_data.errors import InvalidSetting, UrlRefused
from tams_data.media.signing import Signer, load_secret

SECRET = bytes(range(32))
EXPIRES_S = 1_800_000_000
SIGNER = Signer(SECRET)


def signed(method: str = "GET", object_id: str = "one", signer: Signer = SIGNER) -> dict[str, str]:
    """The parameters of a presigned URL."""
    parameters = parse_qs(signer.query(method, object_id, expires_s=EXPIRES_S), strict_parsing=True)
    return {name: value for name, (value,) in parameters.items()}


@given(st.sampled_from(["GET", "PUT"]), st.text(min_size=1))
def test_what_is_signed_is_accepted(method: str, object_id: str) -> None:
    SIGNER.check(method, object_id, **signed(method, object_id), now_s=EXPIRES_S)


def test_who_may_get_may_head() -> None:
    SIGNER.check("HEAD", "one", **signed("GET"), now_s=EXPIRES_S)


def test_a_url_holds_in_the_second_it_names_and_not_after() -> None:
    SIGNER.check("GET", "one", **signed(), now_s=EXPIRES_S)
    with pytest.raises(UrlRefused, match="expired at 1800000000, 1 s ago"):
        SIGNER.check("GET", "one", **signed(), now_s=EXPIRES_S + 1)


GENUINE = signed()["signature"]


@pytest.mark.parametrize(
    ("method", "object_id", "expires", "signature"),
    [
        pytest.param("PUT", "one", "1800000000", GENUINE, id="another-method"),
        pytest.param("DELETE", "one", "1800000000", GENUINE, id="unknown-method"),
        pytest.param("GET", "two", "1800000000", GENUINE, id="another-object"),
        pytest.param("GET", "one", "1800000001", GENUINE, id="longer"),
        pytest.param("GET", "one", "01800000000", GENUINE, id="zero-in-front"),
        pytest.param("GET", "one", "+1800000000", GENUINE, id="sign-in-front"),
        pytest.param("GET", "one", "1_800_000_000", GENUINE, id="underscores"),
        pytest.param("GET", "one", "١٨٠٠٠٠٠٠٠٠", GENUINE, id="digits-of-another-script"),
        pytest.param("GET", "one", "9" * 5000, GENUINE, id="more-digits-than-int-takes"),
        pytest.param("GET", "one", "", GENUINE, id="no-expiry"),
        pytest.param("GET", "one", "1800000000", "", id="no-signature"),
        pytest.param("GET", "one", "1800000000", GENUINE[:-1], id="cut"),
        pytest.param("GET", "one", "1800000000", GENUINE[:-1] + chr(ord(GENUINE[-1]) ^ 1), id="one-bit"),
        pytest.param("GET", "one", "1800000000", GENUINE + "0", id="more"),
        pytest.param("GET", "one", "1800000000", GENUINE.upper(), id="capitals"),
        pytest.param("GET", "one", "1800000000", "é" * 64, id="not-ascii"),
        pytest.param("GET", "one", "1800000000", signed(signer=Signer(bytes(32)))["signature"], id="another-secret"),
    ],
)
def test_what_differs_is_refused(method: str, object_id: str, expires: str, signature: str) -> None:
    with pytest.raises(UrlRefused, match="does not allow"):
        SIGNER.check(method, object_id, expires=expires, signature=signature, now_s=EXPIRES_S)


def test_parts_cannot_be_shifted_into_each_other() -> None:
    query = SIGNER.query("GET", "1\none", expires_s=5)
    with pytest.raises(UrlRefused):
        SIGNER.check("GET", "one", expires="5\n1", signature=query.rpartition("=")[2], now_s=0)


def test_the_secret_is_not_shown() -> None:
    assert repr(SECRET) not in f"{SIGNER!r} {vars(SIGNER)!r}"


def test_the_secret_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "data" / "secret.key"
    secret = load_secret(path)
    assert len(secret) == 32
    assert load_secret(path) == secret
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_first_starts_at_once_agree_on_the_secret(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        secrets = set(pool.map(load_secret, [tmp_path / "secret.key"] * 32))
    assert len(secrets) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]


def test_a_short_secret_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    path.write_bytes(b"hunter2")
    with pytest.raises(InvalidSetting, match=r"secret\.key: 7 bytes"):
        load_secret(path)


def test_a_secret_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="Is a directory"):
        load_secret(tmp_path)
