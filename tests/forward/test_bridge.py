"""The bridge itself behind nginx, as docs/production.md has it: SAML's long addresses and headers come through."""

import http.client
import os
import re
import ssl
from base64 import urlsafe_b64encode
from contextlib import contextmanager
from dataclasses import replace
from hashlib import shake_128
from pathlib import Path

from tests.forward.house import serving
from tests.forward.proxy import NGINX, Proxy
from tests.forward.tls import NAME, authority
from tests.interop.ports import free_port
from tests.running import ORIGIN, running_bridge

HOST = ORIGIN.removeprefix("https://")
_DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "production.md"
_AROUND = """
{user}
worker_processes 1;
pid nginx.pid;
error_log error.log info;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    {text}
}}
"""
_LARGEST = 4096  # of nginx's own buffer for the headers of an answer, where nobody says more


def snippet(port, bridge, tls):
    """The snippet of the documentation with the names of a test."""
    (text,) = re.findall(r"^```nginx\n(.*?)^```", _DOCUMENT.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    for old, new in (
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("server_name slo.example.com", f"server_name {HOST}"),
        ("/etc/ssl/slo.example.com.pem", str(tls / "certificate.pem")),
        ("/etc/ssl/private/slo.example.com.key", str(tls / "key.pem")),
        ("http://127.0.0.1:8000", f"http://127.0.0.1:{bridge}"),
    ):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def written(folder, program, _port, text):
    """Write nginx's files; return what to run."""
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(_AROUND.format(user=user, text=text))
    return [program, "-p", f"{folder}/", "-c", "nginx.conf", "-e", "error.log", "-g", "daemon off;"]


@contextmanager
def behind_nginx(folder, bridge):
    """Run nginx before a bridge; give the function that asks it for a path, with a Host."""
    trusted, _ = authority(folder / "tls")
    port = free_port()
    (folder / "nginx").mkdir()
    running = Proxy(
        replace(NGINX, command=written),
        HOST,
        port,
        folder / "nginx",
        snippet(port, bridge, folder / "tls"),
        trusted,
    )

    def get(path):
        context = ssl.create_default_context(cafile=str(trusted))
        connection = http.client.HTTPSConnection(NAME, port, timeout=60, context=context)
        try:
            connection.request("GET", path, headers={"Host": HOST})
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), answer.headers
        finally:
            connection.close()

    try:
        running.start()
        assert running.is_up(), running.log()
        yield get
    finally:
        running.stop()


def incompressible(length):
    """Characters of a path that no compression makes fewer, the same in each run."""
    return urlsafe_b64encode(shake_128(b"").digest(length)).decode()[:length]


def test_long_addresses_and_long_headers_come_through(tmp_path, redis_url):
    """A message of 60 kB in an address gets our page; a redirect with more headers than nginx takes is no 502."""
    (tmp_path / "bridge").mkdir()
    toml = f'sp_entity_id = "https://bridge.example/{incompressible(600)}"\n'
    urls = ("https://shop.example/*",)
    with (
        running_bridge(tmp_path / "bridge", redis_url, toml=toml, allowed_logout_urls=urls) as bridge,
        serving(bridge.app) as port,
        behind_nginx(tmp_path, port) as get,
    ):
        status, page, _ = get(f"/saml/sp/idp/slo?SAMLRequest={'a' * 60_000}")
        assert status == 400
        assert "This message was not accepted" in page
        status, page, headers = get(f"/login?connection=idp&returnTo=https://shop.example/{incompressible(1_900)}")
        assert (status, len(str(headers)) > _LARGEST) == (303, True), page
