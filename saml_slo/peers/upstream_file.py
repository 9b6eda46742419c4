"""One connection that does not speak SAML: `connections/<name>.toml` alone becomes an `Upstream` (product P)."""

import re
from dataclasses import dataclass

from saml_slo.errors import ConfigurationError
from saml_slo.peers import values
from saml_slo.peers.methods.upstream import NEEDS, PLACES, places_of
from saml_slo.peers.peer_file import PeerFile, checked_endpoint
from saml_slo.peers.toml_file import Check, TomlFile, shown
from saml_slo.protocol.method import Method
from saml_slo.protocol.upstream import Upstream
from saml_slo.wire.url import MAX_URL_CHARS, HttpUrl

_DOMAIN = re.compile(r"(?=.{1,253}$)[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?")
_PARAMETER = re.compile(r"[A-Za-z0-9._~-]{1,64}")
_MAX_TEMPLATE = 512
_MAX_PARAMETERS = 20


def domain(value: object) -> str:
    """Take a host name, with a port where it has one: the part of a vendor's URL that is the customer's own."""
    if isinstance(value, str) and _DOMAIN.fullmatch(value):
        return value
    raise ValueError("a host name or tenant such as example.eu.auth0.com, without https:// and slashes")


def parameters(value: object) -> tuple[tuple[str, str], ...]:
    """Take the query of a sign-out: a table of names and templates, in its order."""
    if isinstance(value, dict) and len(value) <= _MAX_PARAMETERS and all(_is_template(*item) for item in value.items()):
        return tuple(value.items())
    raise ValueError(f"a table of names and texts, in which {_listed(PLACES)} may stand for what is known")


def needs(value: object) -> tuple[str, ...]:
    """Take the names of what a provider's sign-out cannot do without."""
    if isinstance(value, list) and all(item in NEEDS for item in value):
        return tuple(dict.fromkeys(value))
    raise ValueError(f"an array of some of {', '.join(NEEDS)}")


def _is_template(name: str, template: object) -> bool:
    if not isinstance(template, str) or not _PARAMETER.fullmatch(name):
        return False
    places = places_of(template)
    plain = template
    for place in places:
        plain = plain.replace(f"{{{place}}}", "")
    fits = len(template) <= _MAX_TEMPLATE and template.isprintable() and not {"{", "}"} & set(plain)
    return fits and set(places) <= set(PLACES)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"{{{name}}}" for name in names)


# Keys that are a field of Upstream under the same name, and `domain`, which stands in its logout_url.
FIELDS: dict[str, Check] = {
    "display_name": values.text(100),
    "enabled": values.flag,
    "logout_url": values.text(MAX_URL_CHARS),
    "parameters": parameters,
    "needs": needs,
    "returns": values.flag,
    "return_proves": values.flag,
    "client_id": values.text(256),
    "why": values.text(300),
    "no_session": values.flag,
    "hint": values.text(300),
    "organisation": values.organisation_name,
    "session_lifetime": values.lifetime,
    "idle_lifetime": values.lifetime,
}
KEYS: dict[str, Check] = FIELDS | {"domain": domain}
_OF_A_REQUEST = ("logout_url", "domain", "parameters", "needs", "returns", "return_proves", "client_id")
_OF_NONE = ("why", "no_session")


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamFile(PeerFile):
    """A provider that does not speak SAML, and where it came from; `metadata_path` is the TOML itself."""

    upstream: Upstream


def read_upstream(file: TomlFile, kind: Method, *, ours: HttpUrl) -> UpstreamFile:
    """Return what a file of a kind other than saml says, or raise ConfigurationError with its line.

    `ours` is our public URL: nobody is signed out there.
    """
    if kind is Method.NONE:
        for key in _OF_A_REQUEST:
            if key in file.values:
                raise file.error(key, f"a provider of kind none is sent nothing, so {key} has no meaning here")
    else:
        for key in _OF_NONE:
            if key in file.values:
                raise file.error(key, f"{key} is for providers of kind none", got=shown(file.values[key]))
        _check_request(file, kind, ours)
    fields = {key: value for key, value in file.values.items() if key in FIELDS}
    return UpstreamFile(
        path=file.path,
        metadata_path=file.path,
        lines=file.lines,
        upstream=Upstream(name=file.path.stem, kind=kind, **fields),
    )


def _check_request(file: TomlFile, kind: Method, ours: HttpUrl) -> None:
    url = _logout_url(file, kind)
    checked_endpoint(file, "logout_url", url, ours=ours)
    file.values["logout_url"] = url
    used = {place for _, template in file.values.get("parameters", ()) for place in places_of(template)}
    for need in file.values.get("needs", ()):
        if need not in used:
            raise file.error("needs", f"no parameter carries {{{need}}}, so it cannot be needed", got=need)
    returns, proves = file.values.get("returns", False), file.values.get("return_proves", False)
    if returns and "return_to" not in used:
        raise file.error(
            "returns",
            "no parameter tells the provider where to return to",
            expected="a parameter with {return_to}",
        )
    if proves and not (returns and "state" in used):
        raise file.error(
            "return_proves",
            "only a return with our unguessable state proves anything",
            expected="returns = true and a parameter with {state}",
        )


def _logout_url(file: TomlFile, kind: Method) -> str:
    """Return the sign-out URL with the customer's own part in its place."""
    template: str | None = file.values.get("logout_url")
    if template is None:
        raise _missing(file, kind)
    own: str | None = file.values.get("domain")
    if "{domain}" in template:
        if own is None:
            raise file.error(
                "domain",
                f"the sign-out URL is {template}, and its domain is missing",
                expected="the host name or tenant that this customer has there",
                next_step='Write domain = "…", or give the whole address as logout_url.',
            )
        return template.replace("{domain}", own)
    if own is not None:
        raise file.error("domain", "the sign-out URL has no {domain}, so domain has no meaning here", got=shown(own))
    return template


def _missing(file: TomlFile, kind: Method) -> ConfigurationError:
    where = {
        Method.OIDC: "It is the end_session_endpoint of the provider's /.well-known/openid-configuration.",
        Method.WSFED: "It is the address of its passive endpoint, such as https://fs.example.com/adfs/ls/.",
    }
    return file.error(
        "logout_url",
        f"a provider of kind {kind} needs a logout_url",
        expected="the https address at which a browser is signed out there",
        next_step=where.get(kind, 'Ask the provider; if it has none, write kind = "none" and why.'),
    )
