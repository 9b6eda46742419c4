"""Signature wrapping as a rule: every place for an evil copy, with every fate of the signatures and of the IDs.

A member says which genuine document is taken, which signed element of it is doubled, where the second one goes, and
what becomes of IDs and signatures. `beside`: the genuine element stays where it was and the evil copy is put somewhere
into the document. `around`: the evil copy takes the genuine element's place, the genuine one is put somewhere into it.
Each may be put there as it is or in a holder, an element that a schema or a reader may let pass unseen.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from itertools import product

from lxml import etree

from tests import idp
from tests.attacks.forge import DS, follow, named, slots
from tests.attacks.invariants import evil
from tests.idp import SAML, SAMLP

SIGNATURE = f"{{{DS}}}Signature"
ASSERTION = f"{{{SAML}}}Assertion"
HOLDERS = (f"{{{SAMLP}}}Extensions", f"{{{DS}}}Object", f"{{{SAML}}}Advice", f"{{{SAMLP}}}StatusDetail", "{urn:x}x")
KEPT, REMOVED, RETARGETED = "kept", "removed", "retargeted"


@dataclass(frozen=True)
class Document:
    """A kind of genuine document: how a stage makes it, and which element of it is doubled."""

    name: str
    make: Callable
    part: Callable = lambda root: root


def assertion_of(root):
    """The Assertion of a Response."""
    return root.find(ASSERTION)


def post(root):
    """The browser's POST to the ACS."""
    return idp.post(root, parameter="SAMLResponse", endpoint=idp.ACS)


def signed_response(stage):
    """`Rm`: a signed Response around an unsigned Assertion."""
    return stage.response(sign_assertion=False, sign_response=True)


def with_evil(stage, *, signature=False, identifier="_evil"):
    """`R`, its signed Assertion, and an evil copy of that with or without the Signature."""
    root = stage.response()
    genuine = assertion_of(root)
    copy = evil(genuine, identifier)
    return root, genuine, copy if signature else unsigned(copy)


def unsigned(element):
    """The element without its own Signature; changed in place."""
    for signature in element.findall(SIGNATURE):
        element.remove(signature)
    return element


def _retarget(element):
    for reference in element.findall(f"{SIGNATURE}/{{{DS}}}SignedInfo/{{{DS}}}Reference"):
        reference.set("URI", f"#{element.get('ID')}")


def rename_ids(element, suffix="_2"):
    """Give every ID below an element another value, so that no two are equal in the document."""
    for descendant in element.iterdescendants("*"):
        if descendant.get("ID") is not None:
            descendant.set("ID", descendant.get("ID") + suffix)


@dataclass(frozen=True)
class Member:
    """One generated document; `build` makes it from a fresh genuine one."""

    document: Document
    around: bool
    path: tuple
    index: int
    words: str
    identifier: str | None
    evil_signature: str
    genuine_signature: str
    holder: str | None

    @property
    def id(self):
        """The member in words."""
        place = "around" if self.around else "beside"
        same = "same-id" if self.identifier is None else "other-id"
        signatures = f"evil-{self.evil_signature}-genuine-{self.genuine_signature}"
        holder = "" if self.holder is None else f"-in-{etree.QName(self.holder).localname}"
        return f"{self.document.name}-{place}-{self.words}{holder}-{same}-{signatures}"

    def build(self, root):
        """Return the root of the hostile document; `root` is used up."""
        genuine = self.document.part(root)
        copy = evil(genuine, self.identifier)
        if self.identifier is not None:
            rename_ids(copy)
        if self.evil_signature == REMOVED:
            unsigned(copy)
        elif self.evil_signature == RETARGETED:
            _retarget(copy)
        if self.around:
            return self._around(root, genuine, copy)
        if self.genuine_signature == REMOVED:
            unsigned(genuine)
        follow(root, self.path).insert(self.index, self._held(copy))
        return root

    def _around(self, root, genuine, copy):
        inner = deepcopy(genuine)
        inner.tail = None
        if self.genuine_signature == REMOVED:
            unsigned(inner)
        follow(copy, self.path).insert(self.index, self._held(inner))
        if genuine is root:
            return copy
        genuine.getparent().replace(genuine, copy)
        return root

    def _held(self, element):
        if self.holder is None:
            return element
        holder = etree.Element(self.holder)
        holder.append(element)
        return holder


def members(document, sample):
    """Yield every member of a document's class; `sample` is such a document, for the places."""
    number = 0
    for around, evil_signature, genuine_signature, identifier in product(
        (False, True), (KEPT, REMOVED, RETARGETED), (KEPT, REMOVED), ("_evil", None)
    ):
        if evil_signature == RETARGETED and identifier is None:
            continue  # there is nothing to retarget
        # The places: of the whole document, or of the evil copy alone; none in a signature that is taken away.
        root = deepcopy(document.part(sample) if around else sample)
        if (evil_signature if around else genuine_signature) == REMOVED:
            unsigned(root if around else document.part(root))
        for path, index in slots(root):
            number += 1
            # Equal IDs are refused while parsing, wherever they stand: a few of those places are enough. Of the holders
            # each place gets one, while the signatures are as most attacks have them.
            usual = identifier is not None and genuine_signature == KEPT and evil_signature != RETARGETED
            holders = [None] if identifier or number % 5 == 0 else []
            holders += [HOLDERS[number % len(HOLDERS)]] if usual else []
            for holder in holders:
                yield Member(
                    document=document,
                    around=around,
                    path=path,
                    index=index,
                    words=named(root, path, index),
                    identifier=identifier,
                    evil_signature=evil_signature,
                    genuine_signature=genuine_signature,
                    holder=holder,
                )
