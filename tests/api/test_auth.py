"""Who may call the API (L237): one header, one application, one of its two secrets, and one answer for all others."""

import hashlib
from contextlib import suppress
from dataclasses import dataclass

import pytest
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from saml_slo.errors import Reason, RequestRefused
from saml_slo.protocol.peer import Application
from saml_slo.web.api import auth
from saml_slo.web.api.auth import authenticated

OLD, NEW, OTHER = "o" * 43, "N-_" + "n" * 40, "x" * 43


def digest(secret):
    """What stands in the application's file."""
    return hashlib.sha256(secret.encode()).hexdigest()


SHOP = Application(client_id="shop", api_secrets=(digest(NEW), digest(OLD)))
DOTTED = Application(client_id="shop.example.v2", api_secrets=(digest(NEW),))
BLOG = Application(client_id="blog", api_secrets=(digest(OTHER),))
SILENT = Application(client_id="silent")


@dataclass
class Files:
    """A registry of these applications."""

    def application(self, client_id):
        """Look one up."""
        return {known.client_id: known for known in (SHOP, DOTTED, BLOG, SILENT)}.get(client_id)


def asks(*authorization, **how):
    """What becomes of a request with these Authorization headers."""
    headers = [("Authorization", value) for value in authorization]
    request = Request(EnvironBuilder(headers=headers, **how).get_environ())
    return authenticated(request, Files())


def test_an_application_is_known_by_either_of_its_secrets():
    """Two secrets are live at once, so that one can be rolled."""
    assert asks(f"Bearer shop.{NEW}") is SHOP
    assert asks(f"Bearer shop.{OLD}") is SHOP
    assert asks(f"Bearer blog.{OTHER}") is BLOG


def test_the_client_id_ends_at_the_last_dot():
    """A client_id may hold dots; a secret never does."""
    assert asks(f"Bearer shop.example.v2.{NEW}") is DOTTED


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_the_scheme_may_be_in_any_case(scheme):
    """RFC 7235 2.1."""
    assert asks(f"{scheme} shop.{NEW}") is SHOP


WRONG = {
    "nothing": (),
    "empty": ("",),
    "scheme-alone": ("Bearer",),
    "no-scheme": (f"shop.{NEW}",),
    "other-scheme": (f"Basic shop.{NEW}",),
    "wrong-secret": (f"Bearer shop.{OTHER}",),
    "no-such-application": (f"Bearer shop2.{NEW}",),
    "no-client-id": (f"Bearer .{NEW}",),
    "no-secret": ("Bearer shop.",),
    "application-without-secrets": (f"Bearer silent.{NEW}",),
    "digest-as-secret": (f"Bearer shop.{digest(NEW)}",),
    "digest-of-nobody": ("Bearer shop." + "0" * 43,),
    "secret-too-short": (f"Bearer shop.{NEW[:-1]}",),
    "secret-too-long": (f"Bearer shop.{NEW}n",),
    "other-case-of-the-client-id": (f"Bearer Shop.{NEW}",),
    "other-case-of-the-secret": (f"Bearer shop.{NEW.lower()}",),
    "space-behind": (f"Bearer shop.{NEW} ",),
    "tab": (f"Bearer\tshop.{NEW}",),
    "nul": (f"Bearer shop.{NEW}\0",),
    "not-ascii": (f"Bearer shop.{NEW[:-1]}ñ",),
    "fullwidth-digit": (f"Bearer shop.{NEW[:-1]}\N{FULLWIDTH DIGIT ONE}".encode().decode("latin-1"),),
    "quoted": (f'Bearer "shop.{NEW}"',),
    "two-in-one": (f"Bearer shop.{NEW}, Bearer blog.{OTHER}",),
    "two-equal-ones": (f"Bearer shop.{NEW}", f"Bearer shop.{NEW}"),
    "two-headers": (f"Bearer shop.{NEW}", f"Bearer blog.{OTHER}"),
    "two-headers-one-wrong": ("Bearer shop.wrong", f"Bearer shop.{NEW}"),
    "very-long": ("Bearer " + "a" * 60_000 + f".{NEW}",),
}


@pytest.mark.parametrize("kind", WRONG)
def test_every_other_request_is_refused_alike(kind):
    """L237: one refusal, which tells nothing about what was nearly right."""
    with pytest.raises(RequestRefused) as caught:
        asks(*WRONG[kind])
    assert caught.value.reason is Reason.UNAUTHORISED
    with pytest.raises(RequestRefused) as nothing:
        asks()
    assert str(caught.value) == str(nothing.value)


def test_a_newline_behind_the_secret_is_refused():
    """L237: what a server lets through is still no secret."""
    request = Request(EnvironBuilder().get_environ() | {"HTTP_AUTHORIZATION": f"Bearer shop.{NEW}\n"})
    with pytest.raises(RequestRefused):
        authenticated(request, Files())


@pytest.mark.parametrize("where", ["query_string", "data"])
def test_a_secret_elsewhere_is_no_secret(where):
    """L237: URLs stand in logs; a key in one opens nothing (RFC 6750 2.3 is not offered)."""
    with pytest.raises(RequestRefused):
        asks(method="POST", **{where: {"access_token": f"shop.{NEW}", "Authorization": f"Bearer shop.{NEW}"}})


@pytest.mark.parametrize(
    "header",
    [f"Bearer shop.{NEW}", f"Bearer shop.{OLD}", f"Bearer shop.{OTHER}", f"Bearer nobody.{NEW}", "Bearer x", ""],
)
def test_every_attempt_costs_the_same_comparisons(monkeypatch, header):
    """L237: two digests are compared in constant time, whoever asks and whether or not there is such an application."""
    compared = []
    compare = auth.hmac.compare_digest
    monkeypatch.setattr(auth.hmac, "compare_digest", lambda one, two: compared.append((one, two)) or compare(one, two))
    with suppress(RequestRefused):
        asks(header)
    assert [(len(one), len(two)) for one, two in compared] == [(64, 64), (64, 64)]
