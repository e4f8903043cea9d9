"""nginx before the service as the example says: media, events, the dashboard, and who is kept out."""

from __future__ import annotations

import base64
import os
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.api.builders import new_id, video_flow
from tests.api.process import Service, free_port, wait_until
from tests.deploy.environments import ROOT

NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
PROXY = ROOT / "deploy/proxy"
NAMES = ("tams.example", "dashboard.tams.example")
MAIN = """
daemon off;
{user}
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/{site};
}}
"""

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")


def certificate(folder: Path) -> None:
    """A certificate for both names, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAMES[0])])
    now = datetime.now(timezone.utc)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in NAMES]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "tls.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    pem = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "tls.key").write_bytes(key.private_bytes(*pem))


def placed(folder: Path, name: str, ports: dict[str, int]) -> Path:
    """The configuration as it stands, but for where its files and its ports are; what nginx is started with."""
    for file in ("api.conf", name):
        text = (PROXY / file).read_text().replace("/etc/nginx/tams", str(folder)).replace("api:8000", "127.0.0.1:8000")
        for before, port in ports.items():
            text = re.sub(
                rf"\b{re.escape(before)}\b", lambda found, port=port: re.sub(r"\d+$", str(port), found[0]), text
            )
        (folder / file).write_text(text)
    main = folder / "main.conf"
    # What is started by root would go on as a user who may not look into the folders of tests.
    main.write_text(MAIN.format(folder=folder, site=name, user="user root;" if os.geteuid() == 0 else ""))
    return main


@pytest.mark.parametrize("name", ["nginx.conf", "compose.conf"])
def test_nginx_takes_the_configuration(name: str, tmp_path: Path) -> None:
    certificate(tmp_path)
    main = placed(tmp_path, name, {})
    assert NGINX is not None
    done = subprocess.run([NGINX, "-t", "-c", str(main)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "[warn]" not in done.stderr.replace('the "user" directive', "")


class Proxied:
    """The service and its dashboard behind nginx; `https` is the port of both."""

    def __init__(self, folder: Path, https: int) -> None:
        self.https = https
        self.trusted = ssl.create_default_context(cafile=str(folder / "tls.crt"))

    def client(self, name: str) -> httpx.Client:
        """A client that finds a name at this machine, as DNS would say."""
        transport = httpx.HTTPTransport(verify=self.trusted)
        return httpx.Client(transport=_Here(transport, name), base_url=f"https://{name}:{self.https}", timeout=20)

    def is_up(self) -> bool:
        """Whether the dashboard answers, through the proxy."""
        with self.client("dashboard.tams.example") as client, suppress(httpx.TransportError):
            return client.get("/assets/page.css").is_success
        return False


class _Here(httpx.BaseTransport):
    """Sends the requests of a name to this machine, with the name for TLS and the proxy."""

    def __init__(self, transport: httpx.HTTPTransport, name: str) -> None:
        self._transport, self._name = transport, name

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        assert request.url.host == self._name
        request.extensions = {**request.extensions, "sni_hostname": self._name}
        request.url = request.url.copy_with(host="127.0.0.1")
        return self._transport.handle_request(request)

    def close(self) -> None:
        self._transport.close()


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    folder = tmp_path_factory.mktemp("proxied")
    https, http, dashboard = free_port(), free_port(), free_port()
    settings = {
        "TAMS_PUBLIC_URL": f"https://tams.example:{https}",
        "TAMS_DASHBOARD_PORT": str(dashboard),
        "TAMS_DASHBOARD_ORIGINS": f"dashboard.tams.example:{https}",
    }
    service = Service(folder / "service", **settings)
    service.command = "run"
    certificate(folder)
    ports = {"127.0.0.1:8000": service.port, "127.0.0.1:5006": dashboard, "listen 443": https, "listen 80": http}
    main = placed(folder, "nginx.conf", ports)
    assert NGINX is not None
    with service, subprocess.Popen([NGINX, "-c", str(main)], stderr=subprocess.DEVNULL) as nginx:
        found = Proxied(folder, https)
        try:
            wait_until(found.is_up, within_s=120, failing=lambda: "no dashboard behind the proxy")
            yield found
        finally:
            nginx.terminate()


@pytest.fixture
def api(proxied: Proxied) -> Iterator[httpx.Client]:
    with proxied.client("tams.example") as client:
        yield client


@pytest.mark.soak
def test_media_are_sent_and_fetched_through_the_proxy(api):
    """At the URLs that the service gives, which are the proxy's."""
    flow = video_flow()
    api.put(f"/flows/{flow['id']}", json=flow).raise_for_status()
    (allocated,) = api.post(f"/flows/{flow['id']}/storage", json={"limit": 1}).json()["media_objects"]
    url, body = allocated["put_url"]["url"], os.urandom(3_000_000)
    assert url.startswith(str(api.base_url)), "3 MB are more than nginx lets pass by itself"
    sent = api.put(url, content=body, headers={"Content-Type": allocated["put_url"]["content-type"]})
    assert sent.is_success, sent.text
    segment = {"object_id": allocated["object_id"], "timerange": "[0:0_1:0)"}
    api.post(f"/flows/{flow['id']}/segments", json=segment).raise_for_status()
    (found,) = api.get(f"/flows/{flow['id']}/segments").json()
    assert api.get(found["get_urls"][0]["url"]).content == body
    part = api.get(found["get_urls"][0]["url"], headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, body[10:20])


@pytest.mark.soak
def test_events_come_when_they_happen(api):
    with api.stream("GET", "/events", timeout=15) as stream:
        lines = stream.iter_lines()
        flow = video_flow(id=new_id())
        api.put(f"/flows/{flow['id']}", json=flow).raise_for_status()
        assert any(flow["id"] in line for line in lines), "none came"


@pytest.mark.soak
def test_pages_and_links_are_those_of_the_proxy(api):
    for _ in range(2):
        flow = video_flow(id=new_id())
        api.put(f"/flows/{flow['id']}", json=flow).raise_for_status()
    link = api.get("/flows", params={"limit": 1}).headers["Link"]
    assert link.startswith(f"<{api.base_url}")
    assert api.get("/health").json()["ready"] is True


@pytest.mark.soak
def test_figures_and_jobs_stay_inside(api):
    assert [api.get(path).status_code for path in ("/metrics", "/jobs")] == [404, 404]


@pytest.mark.soak
def test_the_dashboard_opens_a_session(proxied):
    """The page, and the websocket that it lives on."""
    with proxied.client("dashboard.tams.example") as client:
        page = client.get("/", follow_redirects=True)
    token = re.search(r'"token":\s*"([^"]+)"', page.text)
    assert token is not None
    assert handshake(proxied, f"dashboard.tams.example:{proxied.https}", token[1]) == "HTTP/1.1 101 Switching Protocols"
    assert handshake(proxied, "elsewhere.example", token[1]) == "HTTP/1.1 403 Forbidden"


def handshake(proxied: Proxied, origin: str, token: str) -> str:
    """The first line of the answer to who opens a websocket on a page of some origin."""
    lines = (
        "GET /ws HTTP/1.1",
        f"Host: dashboard.tams.example:{proxied.https}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Origin: https://{origin}",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        f"Sec-WebSocket-Protocol: bokeh, {token}",
    )
    with (
        socket.create_connection(("127.0.0.1", proxied.https), 10) as plain,
        proxied.trusted.wrap_socket(plain, server_hostname="dashboard.tams.example") as secure,
    ):
        secure.sendall("\r\n".join([*lines, "", ""]).encode())
        return secure.recv(4096).decode(errors="replace").splitlines()[0]
