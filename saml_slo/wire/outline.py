"""What a message says, read without any verification, for a person who looks at it. Nothing here reaches a decision."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from lxml import etree
from lxml.etree import _Element

from saml_slo.errors import MessageRefused
from saml_slo.protocol.names import MD, SAML, SAMLP
from saml_slo.wire import instants
from saml_slo.wire.reader import ASYNCHRONOUS, child_of, children_of, saml, samlp

Element = _Element  # for those above who hold one without looking into it
_MAX_TEXT = 300
_MAX_LISTED = 100
_DROPPED_PREFIXES = (
    "urn:oasis:names:tc:SAML:2.0:status:",
    "urn:oasis:names:tc:SAML:2.0:bindings:",
    "urn:oasis:names:tc:SAML:2.0:cm:",
    "urn:oasis:names:tc:SAML:2.0:logout:",
)
_NAME_ID_ATTRIBUTES = ("Format", "NameQualifier", "SPNameQualifier")


@dataclass(frozen=True, slots=True)
class Said:
    """One thing that a message says. `private`: it tells who somebody is, or opens something."""

    name: str
    value: str
    private: bool = False


@dataclass(frozen=True, slots=True)
class Moment:
    """One time in a message; `instant` None where the text is none."""

    name: str
    text: str
    instant: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """The outline of one element. `kind` is its name (`LogoutRequest`), with its namespace where that is not SAML's."""

    kind: str
    issuer: str | None
    destination: str | None
    said: tuple[Said, ...]
    moments: tuple[Moment, ...]


def outline(root: _Element, assertion: _Element | None = None) -> Outline:
    """Return what a message says; `assertion` is that of a Response once it was decrypted, if it was."""
    kind = _kind(root)
    inner = assertion if assertion is not None else _assertion_of(root)
    parts = [root] if inner is None or inner is root else [root, inner]
    issuer = _text(root, saml("Issuer"))
    if issuer is None and inner is not None:
        issuer = _text(inner, saml("Issuer"))
    return Outline(
        kind=kind,
        issuer=issuer,
        destination=root.get("Destination"),
        said=tuple(said for part in parts for said in _says(part)),
        moments=tuple(moment for part in parts for moment in _moments(part)),
    )


def _kind(root: _Element) -> str:
    name = etree.QName(root)
    return name.localname if name.namespace in (SAMLP, SAML, MD) else f"{name.localname} ({name.namespace})"[:_MAX_TEXT]


def _assertion_of(root: _Element) -> _Element | None:
    return root if root.tag == saml("Assertion") else child_of(root, saml("Assertion"))


def _says(element: _Element) -> Iterator[Said]:
    prefix = "assertion " if element.tag == saml("Assertion") else ""
    for name in ("ID", "InResponseTo", "AssertionConsumerServiceURL", "ProtocolBinding", "ForceAuthn", "IsPassive"):
        if (value := element.get(name)) is not None:
            yield Said(prefix + name, _short(value))
    if (reason := element.get("Reason")) is not None:
        yield Said("Reason", _short(reason))
    yield from _status(element)
    yield from _whom(element)
    extensions = child_of(element, samlp("Extensions"))
    if extensions is not None and child_of(extensions, ASYNCHRONOUS) is not None:
        yield Said("Extensions", "Asynchronous: the sender wants no answer")
    policy = child_of(element, samlp("NameIDPolicy"))
    if policy is not None and policy.get("Format") is not None:
        yield Said("NameIDPolicy Format", _short(policy.get("Format", "")))
    yield from _statements(element)


def _whom(element: _Element) -> Iterator[Said]:
    for encrypted in ("EncryptedAssertion", "EncryptedID"):
        if child_of(element, saml(encrypted)) is not None:
            yield Said(encrypted, "encrypted to us")
    subject = child_of(element, saml("Subject"))
    for holder in (element, subject):
        if holder is not None:
            yield from _name_ids(holder)
    for index in children_of(element, samlp("SessionIndex"))[:_MAX_LISTED]:
        yield Said("SessionIndex", _short(index.text or ""), private=True)
    yield from _confirmations(subject)


def _status(element: _Element) -> Iterator[Said]:
    status = child_of(element, samlp("Status"))
    code = None if status is None else child_of(status, samlp("StatusCode"))
    codes: list[str] = []
    while code is not None and len(codes) < 5:  # noqa: PLR2004 - as many as the reader takes
        codes.append(_short(code.get("Value", "")))
        code = child_of(code, samlp("StatusCode"))
    if codes:
        yield Said("Status", " + ".join(codes))
    message = None if status is None else _text(status, samlp("StatusMessage"))
    if message:
        yield Said("StatusMessage", _short(message))


def _name_ids(holder: _Element) -> Iterator[Said]:
    for name_id in children_of(holder, saml("NameID"))[:1]:
        yield Said("NameID", _short(name_id.text or ""), private=True)
        for name in _NAME_ID_ATTRIBUTES:
            value = name_id.get(name)
            yield Said(f"NameID {name}", "absent" if value is None else _short(value))


def _confirmations(subject: _Element | None) -> Iterator[Said]:
    if subject is None:
        return
    for confirmation in children_of(subject, saml("SubjectConfirmation"))[:_MAX_LISTED]:
        yield Said("SubjectConfirmation", _short(confirmation.get("Method", "")))
        data = child_of(confirmation, saml("SubjectConfirmationData"))
        for name in ("Recipient", "InResponseTo"):
            if data is not None and data.get(name) is not None:
                yield Said(f"SubjectConfirmation {name}", _short(data.get(name, "")))


def _statements(element: _Element) -> Iterator[Said]:
    conditions = child_of(element, saml("Conditions"))
    for restriction in [] if conditions is None else children_of(conditions, saml("AudienceRestriction")):
        for audience in children_of(restriction, saml("Audience"))[:_MAX_LISTED]:
            yield Said("Audience", _short(audience.text or ""))
    for statement in children_of(element, saml("AuthnStatement"))[:_MAX_LISTED]:
        index = statement.get("SessionIndex")
        if index is None:
            yield Said("SessionIndex", "absent")
        else:
            yield Said("SessionIndex", _short(index), private=True)
    listed = 0
    for holder in children_of(element, saml("AttributeStatement")):
        for attribute in children_of(holder, saml("Attribute")):
            for value in children_of(attribute, saml("AttributeValue")):
                listed += 1
                if listed <= _MAX_LISTED:
                    text = "".join(value.itertext())
                    yield Said(f"attribute {_short(attribute.get('Name', ''))}", _short(text), private=True)
    if listed > _MAX_LISTED:
        yield Said("attributes", f"{listed - _MAX_LISTED} more values")


def _moments(element: _Element) -> Iterator[Moment]:
    prefix = "assertion " if element.tag == saml("Assertion") else ""
    places: list[tuple[_Element | None, str, tuple[str, ...]]] = [
        (element, prefix, ("IssueInstant", "NotOnOrAfter", "validUntil")),
        (child_of(element, saml("Conditions")), "Conditions ", ("NotBefore", "NotOnOrAfter")),
    ]
    subject = child_of(element, saml("Subject"))
    for confirmation in [] if subject is None else children_of(subject, saml("SubjectConfirmation"))[:_MAX_LISTED]:
        data = child_of(confirmation, saml("SubjectConfirmationData"))
        places.append((data, "SubjectConfirmation ", ("NotBefore", "NotOnOrAfter")))
    places += [
        (statement, "", ("AuthnInstant", "SessionNotOnOrAfter"))
        for statement in children_of(element, saml("AuthnStatement"))[:_MAX_LISTED]
    ]
    for place, named, attributes in places:
        for name in attributes:
            text = None if place is None else place.get(name)
            if text is not None:
                yield Moment(named + name, _short(text), _instant(text))


def _instant(text: str) -> datetime | None:
    try:
        return instants.parse(text)
    except MessageRefused:
        return None


def _text(element: _Element, tag: str) -> str | None:
    child = child_of(element, tag)
    return None if child is None else _short(child.text or "")


def _short(text: str) -> str:
    for prefix in _DROPPED_PREFIXES:
        text = text.removeprefix(prefix)
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}… ({len(text)} characters)"
