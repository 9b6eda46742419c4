"""An application's logout endpoint on loopback that writes down what comes and answers as a test says.

It shares no code with saml_slo; `logout_token` and `webhook_is_signed_by` are readers of our messages after the
specifications alone.
"""

import base64
import hashlib
import hmac
import json
import threading
import time
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import parse_qsl

from joserfc import jwt
from joserfc.jwk import KeySet
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from tests.running import ORIGIN
from tests.sp import Sp, receipt

EVENT = "http://schemas.openid.net/event/backchannel-logout"
SIGNER = "idp-next"
WAIT_SECONDS = 120  # what takes a moment on an idle machine


@dataclass(frozen=True)
class Got:
    """One request as it came."""

    method: str
    path: str
    query: str
    headers: dict
    body: bytes

    @property
    def token(self):
        """The logout token of a form that has nothing else."""
        ((name, value),) = parse_qsl(self.body.decode("ascii"), strict_parsing=True)
        assert name == "logout_token"
        return value

    @property
    def document(self):
        """The JSON of a webhook."""
        return json.loads(self.body)


class _Quiet(WSGIRequestHandler):
    def log(self, *_):
        """Say nothing."""


@dataclass
class Receiver:
    """The endpoint. `answer` is (status, content type, body, headers), or a callable that makes one of a `Got`."""

    answer: object = (204, "", b"", {})
    got: list = field(default_factory=list)
    gate: threading.Event = None

    def __enter__(self):
        self._server = make_server(
            "127.0.0.1", 0, Request.application(self._handle), threaded=True, request_handler=_Quiet
        )
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def host(self):
        """Host and port."""
        return f"127.0.0.1:{self._server.port}"

    def url(self, path="/logout"):
        """Where it is told."""
        return f"http://{self.host}{path}"

    def _handle(self, request):
        query = request.query_string.decode()
        came = Got(request.method, request.path, query, dict(request.headers), request.get_data())
        self.got.append(came)
        if self.gate is not None:
            self.gate.wait(WAIT_SECONDS)
        status, content_type, body, headers = self.answer(came) if callable(self.answer) else self.answer
        response = Response(body, status=status, headers=headers)
        del response.headers["Content-Type"]
        if content_type:
            response.headers["Content-Type"] = content_type
        return response

    def wait_for(self, count):
        """Wait until so many requests came, and return the last."""
        until(lambda: len(self.got) >= count)
        return self.got[-1]


def until(true, seconds=WAIT_SECONDS):
    """Wait until something is true."""
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends, "it never became true"
        time.sleep(0.01)


def application(name, method, uri=None, more=""):
    """An application whose people sign in by SAML and that is told by another method."""
    where = "" if uri is None else f'logout_uri = "{uri}"\n'
    return Sp(name, SIGNER, (), more=f'connection = "idp"\nlogout = "{method}"\n{where}{more}')


def rows(bridge, browser, location):
    """The rows of a receipt by name, once the back channel had its say."""
    until(lambda: not receipt(bridge, browser, location)["busy"])
    return {row["name"]: row for row in receipt(bridge, browser, location)["sessions"]}


def sweep(bridge, seconds):
    """Let time pass, and the sweeper do what is due."""
    bridge.clock.move(seconds)
    return bridge.app.extensions["saml_slo"].sweeper.sweep()


def keys(bridge):
    """Our public keys, as anybody gets them."""
    response = bridge.get(bridge.browser(), "/.well-known/jwks.json")
    return KeySet.import_key_set(response.get_json())


def logout_token(bridge, token, *, audience, issuer=ORIGIN):
    """Validate a logout token as Back-Channel Logout 1.0 2.6 says, by joserfc; return header and claims."""
    verified = jwt.decode(token, keys(bridge), algorithms=["RS256", "ES256"])
    claims, now = verified.claims, bridge.clock.now
    assert claims["iss"] == issuer
    assert claims["aud"] == audience
    assert timedelta(0) <= now - _moment(claims["iat"], now) < timedelta(seconds=2)
    assert now < _moment(claims["exp"], now) <= now + timedelta(minutes=2)
    assert claims.get("sub") or claims.get("sid")
    assert claims["events"] == {EVENT: {}}
    assert "nonce" not in claims
    assert isinstance(claims["jti"], str)
    return verified.header, claims


def _moment(seconds, like):
    return type(like).fromtimestamp(seconds, like.tzinfo)


def webhook_is_signed_by(got, secret):
    """Say whether one of a webhook's signatures is by this secret (whsec_…), as Standard Webhooks 1.0 has it."""
    scheme, _, text = secret.partition("_")
    assert scheme == "whsec"
    signed = f"{got.headers['Webhook-Id']}.{got.headers['Webhook-Timestamp']}.".encode() + got.body
    mac = base64.b64encode(hmac.new(base64.b64decode(text), signed, hashlib.sha256).digest()).decode()
    return f"v1,{mac}" in got.headers["Webhook-Signature"].split(" ")
