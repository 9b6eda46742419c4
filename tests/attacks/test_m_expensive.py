"""M249: a flood of what is made to cost is refused before anything computes, and honest people sign in meanwhile.

That one such message is refused in time is tested with each of them (groups C and E). Here they come in numbers, from
one sender, to every door at which strangers' messages come in.
"""

import time
from base64 import b64encode
from dataclasses import replace
from itertools import count
from urllib.parse import quote

import pytest

from saml_slo.protocol.envelope import HttpIn
from saml_slo.wire import structure_checks
from tests import idp
from tests.attacks.forge import draft, sign
from tests.attacks.invariants import deliver
from tests.attacks.surfaces import ANSWER_POST, REQUEST_POST, REQUEST_REDIRECT, RESPONSE
from tests.attacks.test_c_transforms import BOMBS, ENVELOPED
from tests.attacks.test_e_deflate import _bomb
from tests.attacks.test_e_entities import BOMBS as ENTITIES
from tests.attacks.test_e_size import FLOODS, _planted
from tests.sp import SLO, SSO

TIMES = 10
MAX_CPU_SECONDS = 30  # of a flood of some hundred, each of which would take so long by itself
_numbers = count(1)


@pytest.fixture
def verified(monkeypatch):
    """Every signature that was verified by xmlsec, as a list that grows."""
    seen, genuine = [], structure_checks.verify_enveloped

    def verify(signature, certificates):
        seen.append(signature)
        genuine(signature, certificates)

    monkeypatch.setattr(structure_checks, "verify_enveloped", verify)
    return seen


def transforms(stage):
    """Messages whose signature names a transform that computes."""
    for surface in (RESPONSE, REQUEST_POST, ANSWER_POST):
        for algorithm, content in BOMBS.values():
            root, target = draft(surface, stage)
            named = content.replace("{url}", stage.canary.url).replace("{file}", str(stage.canary.file))
            bomb = f'<ds:Transform Algorithm="{algorithm}">{named}</ds:Transform>'
            sign(target, transforms=(ENVELOPED, bomb)).find("{*}SignatureValue").text = "AAAA"
            yield surface.request(root)


def floods(stage):
    """Messages with many children, attributes, namespaces or levels."""
    for content, *_ in FLOODS.values():
        yield REQUEST_POST.request(_planted(REQUEST_POST.hostile(stage), content))


def entities(stage):
    """Messages whose entities would grow."""
    for doctype, reference in ENTITIES.values():
        yield RESPONSE.request(doctype.encode() + RESPONSE.hostile(stage).replace(b"_r1", reference.encode(), 1))


def deflated(stage):
    """Small queries that inflate to much."""
    request = REQUEST_REDIRECT.request(REQUEST_REDIRECT.hostile(stage))
    value = idp.query(b"<a/>").partition("=")[2].partition("&")[0]
    for size in (1, 10, 40):
        bomb = quote(b64encode(_bomb(size * 1024 * 1024)).decode(), safe="")
        yield HttpIn(
            method="GET",
            endpoint=request.endpoint,
            query=idp.query(b"<a/>", parameter="SAMLRequest").replace(value, bomb, 1).encode(),
        )


@pytest.mark.parametrize("flood", [transforms, floods, entities, deflated], ids=lambda flood: flood.__name__)
def test_m249_a_flood_costs_little_and_verifies_nothing(stage, verified, flood):
    """M249: ten times all of them, at the doors of identity providers and of applications."""
    requests = list(flood(stage))
    before, began = stage.bridge.keyspace(), time.process_time()
    for _ in range(TIMES):
        for request in requests:
            for endpoint in dict.fromkeys((request.endpoint, SSO, SLO)):
                answer = deliver(stage.stranger, replace(request, endpoint=endpoint))
                assert answer.status_code in (400, 413, 414)
    spent = time.process_time() - began
    assert verified == []
    assert spent <= MAX_CPU_SECONDS
    assert stage.bridge.keyspace() == before
    assert stage.canary.touched() == []
    browser = stage.bridge.browser()
    assert stage.bridge.sign_in(browser, identifier=f"_honest{next(_numbers)}").status_code == 303
    assert stage.bridge.is_signed_in(browser)
    assert len(verified) == 1
