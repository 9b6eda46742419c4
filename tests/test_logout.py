"""A person's logout through the whole bridge: what is asked, what is told, where they end up (product L1 to L6, T)."""

import pytest

from tests import idp
from tests.running import OTHER_ENTITY_ID, running_bridge, sent

BOB = idp.NAME_ID.replace("alice", "bob")


def answered(bridge, browser, request, *, binding="redirect", **answer):
    """Let the IdP answer a LogoutRequest; return the bridge's response."""
    message = idp.logout_response(in_response_to=request.id, signed=binding == "post", **answer)
    return bridge.deliver(browser, getattr(idp, binding)(message))


def rows(receipt):
    """The receipt in short: kind, state, endpoint source, rung."""
    return [(row["kind"], row["state"], row["endpoint_source"], row["rung"]) for row in receipt["sessions"]]


def test_a_local_logout_keeps_the_idp_session_and_says_so(bridge):
    """L2, T4: without `federated` nobody is asked; the receipt names the session that lives on."""
    browser = bridge.browser()
    bridge.sign_in(browser)
    receipt = bridge.receipt(browser, bridge.logout(browser))
    assert rows(receipt) == [("session", "confirmed", None, None), ("idp", "kept", None, None)]
    assert receipt["sessions"][1]["ended"] is False
    assert not bridge.is_signed_in(browser)


@pytest.mark.parametrize("value", ["", "1", "true", "false", "0", "no"])
def test_federated_counts_by_being_there(bridge, value):
    """L2: present, whatever its value."""
    browser = bridge.browser()
    bridge.sign_in(browser)
    assert sent(bridge.logout(browser, federated=value)).root.tag.endswith("}LogoutRequest")


def test_the_logout_request_says_all_that_peers_demand(bridge):
    """L3, L4, L11: signed, Destination, NotOnOrAfter, Reason, NameID byte-exact with its qualifiers, every index."""
    browser = bridge.browser()
    statements = idp.authn_statement("_s1") + idp.authn_statement("_s2") + idp.authn_statement("_s1")
    bridge.sign_in(browser, statements=statements)
    request = sent(bridge.logout(browser, federated=""))
    root = request.root
    assert root.get("Destination") == request.location == "https://idp.example/slo"
    assert root.get("Reason") == "urn:oasis:names:tc:SAML:2.0:logout:user"
    assert root.get("NotOnOrAfter") == "2026-11-20T06:31:00.000Z"
    assert request.texts("SessionIndex") == ["_s1", "_s2"]
    name_id = root.find("{*}NameID")
    assert name_id.text == "alice@corp.test"
    assert dict(name_id.attrib) == {
        "Format": idp.PERSISTENT,
        "NameQualifier": idp.ENTITY_ID,
        "SPNameQualifier": idp.SP,
    }
    assert {"SigAlg", "Signature"} <= set(request.parameters)


def test_without_a_session_index_the_name_id_alone_is_asked(bridge):
    """L4, second rung: no index came, none is invented, and the receipt says what that may do."""
    browser = bridge.browser()
    bridge.sign_in(browser, statements=idp.authn_statement("X").replace('SessionIndex="X"', ""))
    request = sent(bridge.logout(browser, federated=""))
    assert request.texts("SessionIndex") == []
    receipt = bridge.receipt(browser, answered(bridge, browser, request))
    assert rows(receipt)[1] == ("idp", "confirmed", "metadata", "name_id")


@pytest.mark.parametrize(
    ("settings", "location", "binding", "source"),
    [
        ({}, "https://idp.example/slo", "redirect", "metadata"),
        ({"bindings": ("POST",)}, "https://idp.example/slo", "post", "metadata"),
        (
            {"bindings": ("Redirect", "POST"), "toml": 'logout_binding = "post"'},
            "https://idp.example/slo",
            "post",
            "metadata",
        ),
        ({"toml": 'logout_url = "https://idp.example/mine"'}, "https://idp.example/mine", "redirect", "operator"),
        ({"bindings": ()}, "https://idp.example/sso", "redirect", "login_url"),
    ],
)
def test_the_request_goes_where_the_ladder_says(tmp_path, redis_url, settings, location, binding, source):  # noqa: PLR0917
    """L3: the operator's URL, the metadata's, else the login URL; by Redirect and by POST, answered by either."""
    with running_bridge(tmp_path, redis_url, **settings) as bridge:
        browser = bridge.browser()
        bridge.sign_in(browser)
        request = sent(bridge.logout(browser, federated=""))
        assert (request.location, request.binding) == (location, binding)
        receipt = bridge.receipt(browser, answered(bridge, browser, request, binding=binding))
        assert rows(receipt)[1] == ("idp", "confirmed", source, "session_index")
        assert receipt["sessions"][1]["endpoint"] == location


def test_a_vetoed_fallback_leaves_the_idp_alone_and_says_so(tmp_path, redis_url):
    """L3: nobody is sent to a login page that cannot handle it; the page comes before the return URL."""
    with running_bridge(
        tmp_path,
        redis_url,
        bindings=(),
        toml="login_url_fallback = false",
        allowed_logout_urls=("https://app.example/*",),
    ) as bridge:
        browser = bridge.browser()
        bridge.sign_in(browser)
        receipt = bridge.receipt(browser, bridge.logout(browser, federated="", returnTo="https://app.example/bye"))
        assert rows(receipt)[1] == ("idp", "unsupported", None, None)
        assert receipt["return_to"] == "https://app.example/bye"


@pytest.mark.parametrize(
    ("status", "state", "ended"),
    [
        (idp.SUCCEEDED, "confirmed", True),
        (
            idp.status(inside='<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:PartialLogout"/>'),
            "partial",
            True,
        ),
        (idp.status("urn:oasis:names:tc:SAML:2.0:status:PartialLogout"), "partial", True),
        (
            idp.status(
                "urn:oasis:names:tc:SAML:2.0:status:Responder",
                '<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:RequestDenied"/>',
            ),
            "refused",
            False,
        ),
        (idp.status("urn:oasis:names:tc:SAML:2.0:status:Requester"), "refused", False),
        (
            idp.status(
                "urn:oasis:names:tc:SAML:2.0:status:Requester",
                '<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:UnknownPrincipal"/>',
            ),
            "answered",
            True,
        ),
    ],
)
@pytest.mark.parametrize("binding", ["redirect", "post"])
def test_every_answer_is_a_state(bridge, status, state, ended, binding):
    """T1, G160: what the IdP answers is what the receipt says, by Redirect and by POST."""
    browser = bridge.browser()
    bridge.sign_in(browser)
    request = sent(bridge.logout(browser, federated=""))
    receipt = bridge.receipt(browser, answered(bridge, browser, request, binding=binding, status=status))
    row = receipt["sessions"][1]
    assert (row["state"], row["ended"]) == (state, ended)


def test_an_unsigned_answer_counts_only_where_it_is_expected(tmp_path, redis_url):
    """T1 `answered`: with unsigned_logout_response the matching answer is believed and called what it is."""
    with running_bridge(tmp_path, redis_url, toml="unsigned_logout_response = true") as bridge:
        browser = bridge.browser()
        bridge.sign_in(browser)
        request = sent(bridge.logout(browser, federated=""))
        message = idp.logout_response(in_response_to=request.id, signed=False)
        receipt = bridge.receipt(browser, bridge.deliver(browser, idp.post(message)))
        assert rows(receipt)[1][1] == "answered"


def test_when_all_is_well_the_person_is_returned(tmp_path, redis_url):
    """T3: the return URL is followed only when nothing is left to tell."""
    with running_bridge(tmp_path, redis_url, allowed_logout_urls=("https://app.example/*",)) as bridge:
        browser = bridge.browser()
        bridge.sign_in(browser)
        request = sent(bridge.logout(browser, federated="", returnTo="https://app.example/bye?x=1"))
        assert answered(bridge, browser, request).headers["Location"] == "https://app.example/bye?x=1"
        bridge.clock.move(1)
        bridge.sign_in(browser)
        request = sent(bridge.logout(browser, federated="", returnTo="https://app.example/bye"))
        refused = answered(bridge, browser, request, status=idp.status("urn:oasis:names:tc:SAML:2.0:status:Responder"))
        assert bridge.receipt(browser, refused)["return_to"] == "https://app.example/bye"


def test_without_a_session_it_answers_as_a_successful_logout(tmp_path, redis_url):
    """L1: nobody was signed in: the return URL, or our page; the second click of a double-click too."""
    with running_bridge(tmp_path, redis_url, allowed_logout_urls=("https://app.example/*",)) as bridge:
        browser = bridge.browser()
        assert bridge.logout(browser).status_code == 200
        assert bridge.logout(browser, returnTo="https://app.example/").headers["Location"] == "https://app.example/"
        bridge.sign_in(browser)
        bridge.logout(browser)
        assert bridge.logout(browser, returnTo="https://app.example/").headers["Location"] == "https://app.example/"


def test_a_running_logout_is_resumed_and_an_old_one_is_history(bridge):
    """L1, T6: /v2/logout shows the truth of the logout that runs; ten minutes after its deadline it is a new call."""
    browser = bridge.browser()
    bridge.sign_in(browser)
    first = sent(bridge.logout(browser, federated=""))
    receipt = bridge.receipt(browser, bridge.logout(browser))
    assert rows(receipt)[1][1] == "sent"
    bridge.clock.move(bridge.settings.logout_timeout + 601)
    assert bridge.logout(browser).status_code == 200
    late = idp.logout_response(in_response_to=first.id, signed=False, issued=idp.instant(650))
    assert rows(bridge.receipt(browser, bridge.deliver(browser, idp.redirect(late))))[1][1] == "confirmed"


def test_an_idp_that_never_answers_is_timed_out_and_can_be_asked(bridge):
    """T1: after the deadline the receipt says timed_out; the button sends a fresh request, and its answer counts."""
    browser = bridge.browser()
    bridge.sign_in(browser)
    first = sent(bridge.logout(browser, federated=""))
    handle = browser.get_cookie("__Host-slo-logout", domain="bridge.example").value
    bridge.clock.move(bridge.settings.logout_timeout)
    assert '"timed_out"' in bridge.get(browser, f"/logout/{handle}.json").get_data(as_text=True)
    again = sent(browser.post(f"/logout/{handle}/ask", data={"target": first.id}, base_url="https://bridge.example"))
    assert again.id != first.id
    assert again.location == first.location
    message = idp.logout_response(in_response_to=again.id, signed=False, issued=idp.instant(60))
    assert rows(bridge.receipt(browser, bridge.deliver(browser, idp.redirect(message))))[1][1] == "confirmed"


def test_two_idps_are_told_one_after_the_other(bridge):
    """S5, L6: one browser session with two logins ends whole; each IdP is asked with its own index, in order."""
    browser = bridge.browser()
    bridge.sign_in(browser)
    request = bridge.start_sign_in(browser, connection="other-idp")
    endpoint = "https://bridge.example/saml/sp/other-idp/"
    made = idp.assertion(
        identifier="_b",
        issuer=OTHER_ENTITY_ID,
        name_id=BOB,
        statements=idp.authn_statement("_other"),
        confirmations=idp.bearer(endpoint + "acs"),
    )
    for data in made.iter("{*}SubjectConfirmationData"):
        data.set("InResponseTo", request.id)
    for audience in made.iter("{*}Audience"):
        audience.text = endpoint + "metadata"
    idp.sign(made, "other-idp")
    response = idp.response(made, sign_assertion=False, issuer=OTHER_ENTITY_ID, destination=endpoint + "acs")
    response.set("InResponseTo", request.id)
    assert bridge.deliver(browser, idp.post(response, endpoint=endpoint + "acs")).status_code == 303

    first = sent(bridge.logout(browser, federated=""))
    assert (first.location, first.texts("SessionIndex")) == ("https://idp.example/slo", ["_s1"])
    second = sent(answered(bridge, browser, first))
    assert (second.location, second.texts("SessionIndex")) == ("https://other-idp.example/slo", ["_other"])
    assert not bridge.is_signed_in(browser)
    receipt = bridge.receipt(browser, bridge.logout(browser))
    assert [row["state"] for row in receipt["sessions"]] == ["confirmed", "confirmed", "sent"]


def test_signing_in_twice_through_one_idp_names_both_indexes(bridge):
    """S1: the same person again in the same browser is one login with two indexes; both are named at logout."""
    browser = bridge.browser()
    bridge.sign_in(browser)
    bridge.sign_in(browser, statements=idp.authn_statement("_s2"))
    request = sent(bridge.logout(browser, federated=""))
    assert request.texts("SessionIndex") == ["_s1", "_s2"]


def test_another_browsers_session_is_left_alone(bridge):
    """L1, scope=browser: a logout ends the session of this browser only."""
    one, two = bridge.browser(), bridge.browser()
    bridge.sign_in(one)
    bridge.sign_in(two)
    bridge.logout(one)
    assert not bridge.is_signed_in(one)
    assert bridge.is_signed_in(two)


def test_metadata_is_published_for_each_connection(bridge):
    """Our SP metadata: own entity id and endpoints per connection, both live certificates' worth."""
    for name in ("idp", "other-idp"):
        response = bridge.get(bridge.browser(), f"/saml/sp/{name}/metadata")
        assert response.mimetype == "application/samlmetadata+xml"
        assert f"https://bridge.example/saml/sp/{name}/acs" in response.get_data(as_text=True)
    assert bridge.get(bridge.browser(), "/saml/sp/nobody/metadata").status_code == 404
