"""A connection that does not speak SAML: every key has its effect, every mistake its line and its next step."""

from dataclasses import fields

import pytest

from saml_slo.protocol.method import Method
from saml_slo.protocol.upstream import Upstream

# Every key that is a field: how it is written, and what becomes of it.
SETTABLE = {
    "kind": ('"vendor_url"', Method.VENDOR_URL),
    "display_name": ('"Vendor"', "Vendor"),
    "enabled": ("false", False),
    "logout_url": ('"https://id.test/out?x=y"', "https://id.test/out?x=y"),
    "needs": ('["access_token", "client_id"]', ("access_token", "client_id")),
    "returns": ("true", True),
    "return_proves": ("true", True),
    "client_id": ('"abc"', "abc"),
    "hint": ('"It asks again."', "It asks again."),
    "organisation": ('"acme"', "acme"),
    "session_lifetime": ("36_000", 36000),
    "idle_lifetime": ("3600", 3600),
    "parameters": (
        '{ token = "{access_token}", app = "{client_id}", next = "{return_to}/{state}" }',
        (("token", "{access_token}"), ("app", "{client_id}"), ("next", "{return_to}/{state}")),
    ),
}
# Of kind `none`, which has none of the others' keys.
OF_NONE = {"why": ('"There is nothing."', "There is nothing."), "no_session": ("true", True)}
VENDOR = 'kind = "vendor_url"\nlogout_url = "https://id.test/out"\n'


def test_every_field_can_be_set(place):
    """Each field of an Upstream has a key, and the key reaches the field; no metadata is asked for."""
    assert {field.name for field in fields(Upstream)} == {"name", *SETTABLE, *OF_NONE}
    place.organisation("acme")
    place.write("connections/vendor.toml", "\n".join(f"{key} = {text}" for key, (text, _) in SETTABLE.items()))
    place.write("connections/nothing.toml", 'kind = "none"\nwhy = "There is nothing."\nno_session = true')
    registry = place.registry()
    assert registry.problems() == ()
    assert registry.upstream("vendor") == Upstream(
        name="vendor", **{key: value for key, (_, value) in SETTABLE.items()}
    )
    nothing = Upstream(name="nothing", kind=Method.NONE, **{key: value for key, (_, value) in OF_NONE.items()})
    assert registry.upstream("nothing") == nothing
    assert registry.upstreams() == (nothing, registry.upstream("vendor"))
    assert registry.connections() == ()


def test_connections_of_both_kinds_share_one_name_space(place):
    """A name is one file, so it is one connection: when the file changes its kind, the record does."""
    place.connection("idp")
    registry = place.registry()
    assert registry.connection("idp")
    assert registry.upstream("idp") is None
    place.write("connections/idp.toml", VENDOR)
    place.later()
    registry.refresh()
    assert registry.connection("idp") is None
    assert registry.upstream("idp")


@pytest.mark.parametrize(
    ("toml", "line", "words"),
    [
        ('kind = "wsfed"', None, "needs a logout_url"),
        ('kind = "oidc"', None, "end_session_endpoint"),
        ('kind = "vendor_url"', None, 'write kind = "none" and why'),
        ('kind = "vendor_url"\nlogout_url = "http://id.test/out"', 2, "it is http"),
        ('kind = "vendor_url"\nlogout_url = "javascript:alert(1)"', 2, "does not begin with"),
        ('kind = "vendor_url"\nlogout_url = "https://id.test/#x"', 2, "fragment"),
        ('kind = "vendor_url"\nlogout_url = "https://169.254.169.254/"', 2, "at which nobody can be"),
        ('kind = "vendor_url"\nlogout_url = "https://bridge.test/v2/logout"', 2, "own URLs"),
        ('kind = "vendor_url"\nlogout_url = "https://{host}/out"', 2, "character"),
        (VENDOR + "insecure_http = true", 3, "insecure_http is not for connections of kind vendor_url"),
        (VENDOR + 'metadata = "x.xml"', 3, "metadata is not for connections of kind vendor_url"),
        (VENDOR + "skew = 1", 3, "skew is not for connections of kind vendor_url"),
        (VENDOR + "match_session_index = true", 3, "not for connections of kind vendor_url"),
        (VENDOR + 'domain = "id.test"', 3, "has no {domain}"),
        (VENDOR + 'why = "x"', 3, "why is for providers of kind none"),
        (VENDOR + "no_session = true", 3, "no_session is for providers of kind none"),
        (VENDOR + "returns = true", 3, "a parameter with {return_to}"),
        (VENDOR + 'return_proves = true\nparameters = { state = "{state}" }', 3, "returns = true and"),
        (
            VENDOR + 'returns = true\nreturn_proves = true\nparameters = { x = "{return_to}" }',
            4,
            "a parameter with {state}",
        ),
        (VENDOR + 'needs = ["access_token"]', 3, "no parameter carries {access_token}"),
        (VENDOR + 'needs = ["return_to"]', 3, "id_token, access_token, client_id, user, sid"),
        (VENDOR + 'needs = "access_token"', 3, "an array"),
        (VENDOR + 'parameters = ["a"]', 3, "a table of names and texts"),
        (VENDOR + '[parameters]\na = "{password}"', 3, "{return_to}, {state}"),
        (VENDOR + '[parameters]\na = "{}"', 3, "a table of names"),
        (VENDOR + '[parameters]\na = "{state"', 3, "a table of names"),
        (VENDOR + '[parameters]\na = "{{state}}"', 3, "a table of names"),
        (VENDOR + "[parameters]\na = 1", 3, "a table of names"),
        (VENDOR + '[parameters]\n"a&b" = "c"', 3, "a table of names"),
        (VENDOR + '[parameters]\na = "b\\nc"', 3, "a table of names"),
        ('kind = "none"\nlogout_url = "https://id.test/"', 2, "kind none is sent nothing"),
        ('kind = "none"\nreturns = false', 2, "kind none is sent nothing"),
        ('preset = "auth0-v2"', None, "its domain is missing"),
        ('preset = "auth0-v2"\ndomain = "https://a.test/"', 2, "without https://"),
        ('preset = "auth0-v2"\ndomain = "a.test/b"', 2, "a host name"),
        ('preset = "auth0-v2"\ndomain = "a.test@evil.test"', 2, "a host name"),
        ('preset = "auth0-v2"\ndomain = "a.test"\nkind = "oidc"', 3, "preset auth0-v2 is of kind vendor_url"),
        ('preset = "facebook"\nsigned_part = "both"', 2, "signed_part is not for connections of kind vendor_url"),
    ],
    ids=lambda value: ascii(value)[-40:],
)
def test_a_mistake_is_told_with_its_line(place, toml, line, words):
    """What cannot be used, or says nothing about this kind, is refused where it stands; nothing is loaded."""
    place.write("connections/vendor.toml", toml)
    registry = place.registry()
    (problem,) = registry.problems()
    assert registry.upstreams() == ()
    assert registry.connections() == ()
    assert words in problem.text
    assert problem.line == line
    assert problem.file == place.folder / "connections" / "vendor.toml"


def test_a_file_stands_over_its_preset(place):
    """The preset's values are defaults: a key of the file replaces one, a table as a whole, and the rest stays."""
    own = 'display_name = "Mine"\nneeds = []\nclient_id = "c"\n[parameters]\nback = "{return_to}"'
    place.write("connections/mine.toml", f'preset = "windows-live"\n{own}')
    mine = place.registry().upstream("mine")
    assert (mine.display_name, mine.needs, mine.client_id) == ("Mine", (), "c")
    assert mine.parameters == (("back", "{return_to}"),)
    assert mine.logout_url == "https://login.live.com/oauth20_logout.srf"


def test_the_domain_is_part_of_the_presets_address(place):
    """What a customer has of its own at a vendor is one key; the whole address may be given instead."""
    place.write("connections/fs.toml", 'preset = "adfs-wsfed"\ndomain = "fs.corp.test:8443"')
    place.write("connections/whole.toml", 'preset = "adfs-wsfed"\nlogout_url = "https://fs.corp.test/x/"')
    registry = place.registry()
    assert registry.upstream("fs").logout_url == "https://fs.corp.test:8443/adfs/ls/"
    assert registry.upstream("whole").logout_url == "https://fs.corp.test/x/"


def test_a_kind_without_a_preset_has_the_specifications_own_request(place):
    """WS-Federation and OpenID Connect say what a sign-out is, so those kinds need nothing but the address."""
    for kind in ("wsfed", "oidc"):
        place.write(f"connections/{kind}.toml", f'kind = "{kind}"\nlogout_url = "https://id.test/out"')
    registry = place.registry()
    assert registry.upstream("wsfed").parameters[0] == ("wa", "wsignout1.0")
    assert registry.upstream("oidc").parameters[-1] == ("state", "{state}")
