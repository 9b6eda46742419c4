"""The table of docs/providers.md, made from the presets; `python -m tests.providers_table` writes it anew."""

import re
from pathlib import Path

from saml_slo.peers.connection_file import KEYS
from saml_slo.peers.preset import read_preset
from saml_slo.protocol.method import Method

DOCUMENT = Path(__file__).parent.parent / "docs" / "providers.md"
BEGIN = "<!-- providers: made by python -m tests.providers_table -->\n"
END = "<!-- end of the providers -->"

# Every provider that the product promises (product P), in its order, and the presets that it has.
PROMISED = {
    "AOL": ("aol",),
    "Own user database": ("database",),
    "AD/LDAP": ("ldap",),
    "Passport": ("passport",),
    "Generic WS-Federation": ("wsfed",),
    "Generic SAML": ("saml",),
    "Facebook": ("facebook",),
    "Fitbit": ("fitbit",),
    "GitHub": ("github",),
    "Google Workspace": ("google-workspace",),
    "Google": ("google",),
    "LinkedIn": ("linkedin",),
    "Active Directory": ("active-directory",),
    "AD FS": ("adfs", "adfs-wsfed"),
    "Microsoft 365": ("microsoft-365",),
    "Windows Live": ("windows-live",),
    "OAuth 1.0": ("oauth1",),
    "OAuth 2.0": ("oauth2",),
    "Salesforce": ("salesforce",),
    "Salesforce Community": ("salesforce-community",),
    "Salesforce Sandbox": ("salesforce-sandbox",),
    "Twitter/X": ("twitter",),
    "Entra ID (WAAD)": ("entra", "entra-wsfed", "entra-oidc"),
    "Yahoo": ("yahoo",),
    "Yammer": ("yammer",),
    "Okta": ("okta",),
    "OneLogin": ("onelogin",),
    "Ping": ("pingone", "pingfederate"),
    "login.gov": ("login-gov",),
    "Auth0": ("auth0", "auth0-v2"),
    "Keycloak": ("keycloak",),
    "Shibboleth": ("shibboleth",),
    "SimpleSAMLphp": ("simplesamlphp",),
    "LemonLDAP::NG": ("lemonldap",),
    "authentik": ("authentik",),
}
# What there is besides.
FURTHER = {"Generic OpenID Connect": ("oidc",), "OpenAM, PingAM": ("openam",), "WSO2 Identity Server": ("wso2",)}

_LOGIN_URL = "its login URL where the metadata names no logout URL"


def rows():
    """Yield (provider, preset, kind, what leaves) for every preset."""
    for provider, presets in (PROMISED | FURTHER).items():
        for preset in presets:
            values = read_preset(preset, KEYS)
            kind = values.get("kind", Method.SAML)
            yield provider, preset, kind, _saml(values) if kind is Method.SAML else _other(kind, values)


def _other(kind, values):
    if kind is Method.NONE:
        return values["why"]
    url = values.get("logout_url", "<logout_url>")
    query = "&".join(f"{name}={template}" for name, template in values.get("parameters", ()))
    request = f"`GET {url}{'?' if query else ''}{query}`"
    returns = {
        (True, True): "brings the browser back, which counts as `answered`",
        (True, False): "brings the browser back, which proves nothing: `sent`",
        (False, False): "keeps the browser: `sent`",
    }[values.get("returns", False), values.get("return_proves", False)]
    needs = f"; needs {' and '.join(values['needs'])}" if values.get("needs") else ""
    return f"{request}{needs}; {returns}"


def _saml(values):
    if "logout_page" in values:
        return f"`GET {values['logout_page']}`; keeps the browser: `sent`"
    words = ["signed LogoutRequest"]
    if "logout_binding" in values:
        words.append(
            f"by {values['logout_binding'].short.capitalize() if values['logout_binding'].short != 'post' else 'POST'}"
        )
    index = "with the first SessionIndex" if values.get("first_session_index_only") else "with every SessionIndex"
    words.append(index + (", never without one" if values.get("session_index_required") else ""))
    answer = "; an unsigned answer counts as `answered`" if values.get("unsigned_logout_response") else ""
    where = (
        "to its logout URL alone"
        if values.get("login_url_fallback") is False
        else f"to its logout URL, or {_LOGIN_URL}"
    )
    session = "; its own requests are matched by SessionIndex" if values.get("match_session_index") else ""
    return f"{' '.join(words)}, {where}{answer}{session}"


def table():
    """Return the table as Markdown."""
    lines = ["| provider | preset | kind | what leaves at a federated logout |", "| --- | --- | --- | --- |"]
    lines += [f"| {provider} | `{preset}` | `{kind}` | {request} |" for provider, preset, kind, request in rows()]
    return "\n".join(lines) + "\n"


def with_table(text):
    """Return a document with the table as it is to be."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{table()}{END}{after}"


def presets_in(text):
    """Return the names of the presets that a document's table lists."""
    return re.findall(r"^\| [^|]+ \| `([a-z0-9-]+)` \|", text, re.MULTILINE)


if __name__ == "__main__":
    DOCUMENT.write_text(with_table(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
