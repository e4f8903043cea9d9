"""JWTs are admitted that the issuer has signed for this service, while they are valid, and no others."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from api.access import bearer
from api.access.authentication import Authentication
from api.access.bearer import Keys, Verifier, source_of
from tams_data.access import Caller, Scope
from tams_data.errors import StoreUnavailable, Unauthenticated
from tams_data.settings import Settings

ISSUER, AUDIENCE = "https://issuer.example/", "tams"
KEYS: dict[str, Any] = {
    "RS256": rsa.generate_private_key(65537, 2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
OTHER = rsa.generate_private_key(65537, 2048)


def jwk(algorithm: str, key: PrivateKeyTypes, key_id: str) -> dict[str, Any]:
    """The public part of a key, as a JWKS has it."""
    made = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)
    return {**made, "kid": key_id, "use": "sig", "alg": algorithm}


def jwks(*ids: str) -> dict[str, Any]:
    return {"keys": [jwk(one, KEYS[one], one) for one in ids or KEYS]}


def token(key: Any = None, algorithm: str = "RS256", key_id: str | None = "RS256", **claims: Any) -> str:
    """A token that is admitted, but for what is given; None takes a claim away."""
    good = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "exp": int(time.time()) + 60, "scope": "tams-api/read openid"}
    given = {name: value for name, value in {**good, **claims}.items() if value is not None}
    return jwt.encode(given, key or KEYS[algorithm], algorithm, headers={"kid": key_id} if key_id else {})


def verifier(fetch: Callable[[], bytes] | None = None, **settings: Any) -> Verifier:
    keys = Keys(fetch or (lambda: json.dumps(jwks()).encode()))
    return Verifier(keys, **{"issuer": ISSUER, "audience": AUDIENCE, "name": "sub", "groups": None, **settings})


@pytest.mark.parametrize("algorithm", KEYS)
def test_a_token_of_the_issuer_says_who_it_is(algorithm: str) -> None:
    caller, expires_s = verifier().caller(token(algorithm=algorithm, key_id=algorithm))
    assert caller == Caller("ada", frozenset({Scope.READ}))
    assert 0 < expires_s - time.time() <= 60


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({"scope": "tams-api/read tams-api/write"}, {Scope.READ, Scope.WRITE}),
        ({"scope": None, "scp": ["tams-api/delete", 7]}, {Scope.DELETE}),
        ({"scope": "read admin"}, set()),
        ({"scope": None}, set()),
        ({"scope": {"tams-api/admin": True}}, set()),
    ],
)
def test_scopes_are_those_of_the_token_by_their_whole_names(claims: dict[str, Any], scopes: set[Scope]) -> None:
    assert verifier().caller(token(**claims))[0].scopes == scopes


@pytest.mark.parametrize(
    ("claims", "groups"),
    [
        ({"roles": ["sport", "news"]}, {"sport", "news"}),
        ({"roles": "sport"}, {"sport"}),
        ({"roles": ["sport_ro", "", 7, None]}, set()),
        ({}, set()),
    ],
)
def test_groups_are_those_of_the_claim_that_is_set_and_who_has_none_sees_nothing(
    claims: dict[str, Any], groups: set[str]
) -> None:
    caller = verifier(groups="roles").caller(token(**claims))[0]
    assert (caller.groups, caller.is_restricted) == (groups, True)


def unsigned(**header: Any) -> str:
    """A token that is signed by nobody, with the claims of a good one."""
    head = base64.urlsafe_b64encode(json.dumps({"alg": "none", "kid": "RS256", **header}).encode()).decode().rstrip("=")
    return f"{head}.{token().split('.')[1]}."


def by_the_public_key() -> str:
    """A token that is signed with the public key as if it were a shared secret."""
    public = KEYS["RS256"].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    signed = unsigned(alg="HS256").rstrip(".")  # by hand: PyJWT would not
    signature = hmac.digest(public, signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


@pytest.mark.parametrize(
    ("made", "said"),
    [
        pytest.param(lambda: token(exp=int(time.time()) - 60), "it has expired", id="expired"),
        pytest.param(lambda: token(exp=None), "a claim is missing", id="never-expires"),
        pytest.param(lambda: token(nbf=int(time.time()) + 60), "it is not valid yet", id="not-yet"),
        pytest.param(lambda: token(iss="https://other.example/"), "from another issuer", id="issuer"),
        pytest.param(lambda: token(iss=None), "a claim is missing", id="no-issuer"),
        pytest.param(lambda: token(aud="other"), "not for this service", id="audience"),
        pytest.param(lambda: token(aud=None), "claim is missing", id="no-audience"),
        pytest.param(lambda: token(sub=None), "has no claim sub", id="nobodys"),
        pytest.param(lambda: token(OTHER), "its signature is not right", id="key-of-another"),
        pytest.param(lambda: token(key_id="none"), "a key that its issuer does not have", id="unknown-key"),
        pytest.param(lambda: token(key_id=None), "a key that its issuer does not have", id="any-of-several-keys"),
        pytest.param(lambda: token(key_id="ES256"), "it cannot be verified", id="key-for-another-algorithm"),
        pytest.param(unsigned, "it cannot be verified", id="unsigned"),
        pytest.param(lambda: unsigned(alg="RS256"), "it", id="signature-left-out"),
        pytest.param(by_the_public_key, "it cannot be verified", id="public-key-as-a-secret"),
        pytest.param(lambda: "YQ.YWRh.YWE", "it cannot be verified", id="nonsense"),
        pytest.param(lambda: token()[:-4] + "AAAA", "its signature is not right", id="changed"),
    ],
)
def test_any_other_token_is_refused_and_not_repeated(made: Callable[[], str], said: str) -> None:
    given = made()
    with pytest.raises(Unauthenticated) as refused:
        verifier().caller(given)
    assert said in str(refused.value)
    assert given.split(".")[1] not in str(refused.value)


# --- keys ------------------------------------------------------------------------------------------------------------


class Issuer:
    """Gives what keys it has, and counts how often it is asked. Its clock stands."""

    def __init__(self, *ids: str) -> None:
        self.ids, self.asked, self.now_ns, self.fails = ids, 0, 0, False
        self.keys = Keys(self.fetch, clock=lambda: self.now_ns)

    def fetch(self) -> bytes:
        self.asked += 1
        if self.fails:
            raise httpx.ConnectError("away")
        return json.dumps(jwks(*self.ids)).encode()

    def wait(self, seconds: int) -> None:
        self.now_ns += seconds * 10**9


def test_keys_are_asked_for_once_in_ten_minutes() -> None:
    issuer = Issuer("RS256")
    for _ in range(5):
        assert issuer.keys.find("RS256").key_id == "RS256"
        issuer.wait(100)
    assert issuer.asked == 1
    issuer.wait(200)
    issuer.keys.find("RS256")
    assert issuer.asked == 2


def test_a_new_key_is_found_and_one_that_is_withdrawn_is_forgotten() -> None:
    issuer = Issuer("RS256")
    issuer.keys.find("RS256")
    issuer.ids = ("ES256",)
    issuer.wait(11)
    assert issuer.keys.find("ES256").key_id == "ES256"
    with pytest.raises(Unauthenticated):
        issuer.keys.find("RS256")


def test_unknown_keys_are_not_asked_for_again_and_again() -> None:
    issuer = Issuer("RS256")
    for number in range(100):
        with pytest.raises(Unauthenticated):
            issuer.keys.find(f"made up {number}")
    assert issuer.asked == 1


def test_keys_that_are_known_hold_while_the_issuer_is_away() -> None:
    issuer = Issuer("RS256")
    issuer.keys.find("RS256")
    issuer.fails = True
    issuer.wait(3600)
    assert issuer.keys.find("RS256").key_id == "RS256"


def test_without_any_key_a_token_can_be_tried_again_later() -> None:
    issuer = Issuer("RS256")
    issuer.fails = True
    with pytest.raises(StoreUnavailable):
        issuer.keys.find("RS256")
    issuer.fails = False
    issuer.wait(11)
    assert issuer.keys.find("RS256").key_id == "RS256"


def test_a_token_that_names_no_key_is_verified_by_the_only_one() -> None:
    caller, _ = verifier(lambda: json.dumps(jwks("RS256")).encode()).caller(token(key_id=None))
    assert caller.name == "ada"


def test_secrets_that_an_issuer_shows_are_no_keys() -> None:
    secret = {"kty": "oct", "kid": "s", "k": base64.urlsafe_b64encode(bytes(32)).decode().rstrip("=")}
    with pytest.raises(Unauthenticated):
        Keys(lambda: json.dumps({"keys": [secret, *jwks("RS256")["keys"]]}).encode()).find("s")


@pytest.mark.parametrize("text", [b"", b"[]", b'{"keys": 1}', b"<html>"])
def test_what_is_no_jwks_gives_no_keys(text: bytes) -> None:
    with pytest.raises(StoreUnavailable):
        Keys(lambda: text).find("RS256")


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps(jwks()).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing."""


def test_keys_are_fetched_from_a_url() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        keys = Keys(source_of(f"http://127.0.0.1:{server.server_port}/keys"))
        assert keys.find("EdDSA").key_id == "EdDSA"
        server.shutdown()


class _Endless(_Handler):
    """An issuer whose keys never end: all at once, or a byte now and then."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        with suppress(OSError):
            while True:
                self.wfile.write(b" " * (2**16 if self.path == "/large" else 1))
                if self.path == "/slow":
                    time.sleep(0.05)


@pytest.mark.parametrize("path", ["large", "slow"])
def test_keys_that_never_end_are_not_waited_for(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bearer, "_FETCHED_WITHIN_S", 1)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Endless) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, daemon=True).start()
        began = time.monotonic()
        with pytest.raises(StoreUnavailable):
            Keys(source_of(f"http://127.0.0.1:{server.server_port}/{path}")).find("RS256")
        assert time.monotonic() - began < 5
        server.shutdown()


def test_known_keys_are_used_while_new_ones_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bearer, "_WAITED_S", 0.1)
    asked, go_on, clock = Event(), Event(), iter([0, 0, *[10**12] * 100])
    answers = iter([True, False])

    def fetch() -> bytes:
        if not next(answers):
            asked.set()
            go_on.wait(10)
        return json.dumps(jwks()).encode()

    keys = Keys(fetch, clock=lambda: next(clock))
    keys.find("RS256")
    asking = Thread(target=keys.find, args=("RS256",))
    asking.start()
    assert asked.wait(10)
    assert keys.find("RS256").key_id == "RS256"
    with pytest.raises(Unauthenticated):
        keys.find("unknown")
    go_on.set()
    asking.join()


def test_the_settings_admit_tokens_of_an_issuer_beside_the_others(tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps(jwks()))
    settings = Settings(
        jwt_issuer=ISSUER, jwt_audience=AUDIENCE, jwt_keys=str(file), jwt_name="email", jwt_groups="g", _env_file=None
    )
    authentication = Authentication.of(settings, bytes(32))
    given = token(email="ada@example", g=["news"])
    file.unlink()  # the keys are asked for with the first token
    with pytest.raises(StoreUnavailable):
        authentication.caller(f"Bearer {given}", [])
    file.write_text(json.dumps(jwks()))
    authentication = Authentication.of(settings, bytes(32))
    expected = Caller("ada@example", frozenset({Scope.READ}), frozenset({"news"}))
    assert authentication.caller(f"Bearer {given}", []) == authentication.caller(None, [given]) == expected
    with pytest.raises(Unauthenticated):
        authentication.caller("Basic YWRhOng=", [])
