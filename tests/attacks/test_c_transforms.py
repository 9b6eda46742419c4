"""Group C, transforms: enveloped-signature, then exclusive C14N, and nothing that computes (C069, C072).

libxmlsec runs the transforms that a message names before it knows whether the key is right; none may be reached.
AuthnRequests are no door of surfaces.py yet: when they are, `everywhere` knocks there as well.
"""

from itertools import product

import pytest
from lxml import etree

from tests.attacks.forge import DS, ENVELOPED, EXCLUSIVE, draft, in_turn, sign, x509
from tests.attacks.surfaces import SURFACES, everywhere

PROFILE, ALGORITHM = "signature_profile_violation", "algorithm_not_allowed"
XSLT = "http://www.w3.org/TR/1999/REC-xslt-19991116"
XPATH = "http://www.w3.org/TR/1999/REC-xpath-19991116"
FILTER = "http://www.w3.org/2002/06/xmldsig-filter2"
XPOINTER = "http://www.w3.org/2001/04/xmldsig-more/xptr"
INCLUSIVE = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"

_STYLESHEET = '<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">{}</xsl:stylesheet>'
_DOUBLING = (
    '<xsl:template match="/"><xsl:call-template name="d"><xsl:with-param name="n" select="27"/></xsl:call-template>'
    '</xsl:template><xsl:template name="d"><xsl:param name="n"/><xsl:if test="$n &gt; 0"><xsl:call-template name="d">'
    '<xsl:with-param name="n" select="$n - 1"/></xsl:call-template><xsl:call-template name="d">'
    '<xsl:with-param name="n" select="$n - 1"/></xsl:call-template></xsl:if></xsl:template>'
)
BOMBS = {
    "C069": (XSLT, _STYLESHEET.format(_DOUBLING)),
    "C069-document-http": (
        XSLT,
        _STYLESHEET.format('<xsl:template match="/"><xsl:copy-of select="document(\'{url}\')"/></xsl:template>'),
    ),
    "C069-document-file": (
        XSLT,
        _STYLESHEET.format('<xsl:template match="/"><xsl:copy-of select="document(\'{file}\')"/></xsl:template>'),
    ),
    "C069-import": (XSLT, _STYLESHEET.format('<xsl:import href="{url}"/>')),
    "C069-include-file": (XSLT, _STYLESHEET.format('<xsl:include href="file://{file}"/>')),
    "C069-xpath": (XPATH, "<ds:XPath>" + "count(//. | //@* | //namespace::*) * " * 40 + "1 &gt; 0</ds:XPath>"),
    "C069-xpath-nested": (XPATH, "<ds:XPath>" + "(//*[" * 30 + "1" + "])" * 30 + "</ds:XPath>"),
    "C069-xpath-document": (XPATH, "<ds:XPath>document('{url}')</ds:XPath>"),
    "C069-xpath-filter": (
        FILTER,
        f'<f:XPath xmlns:f="{FILTER}" Filter="subtract">//*[count(//*[count(//*) &gt; 0]) &gt; 0]</f:XPath>',
    ),
    "C069-xpointer": (XPOINTER, f'<p:XPointer xmlns:p="{XPOINTER}">xpointer(//*[//*[//*[//*]]])</p:XPointer>'),
}


def _bombs_on_the_way():
    """Every place in which a transform may be named."""
    return {
        "first": lambda bomb: {"transforms": (bomb, EXCLUSIVE)},
        "second": lambda bomb: {"transforms": (ENVELOPED, bomb)},
        "third": lambda bomb: {"transforms": (ENVELOPED, EXCLUSIVE, bomb)},
        "between": lambda bomb: {"transforms": (ENVELOPED, bomb, EXCLUSIVE)},
        "alone": lambda bomb: {"transforms": (bomb,)},
        "instead-of-c14n": lambda bomb: {"c14n": bomb.replace("ds:Transform", "ds:CanonicalizationMethod")},
        "in-c14n": lambda bomb: {
            "c14n": f'<ds:CanonicalizationMethod Algorithm="{EXCLUSIVE}">{bomb}</ds:CanonicalizationMethod>'
        },
        "in-key-info": lambda bomb: {
            "key_info": f'<ds:RetrievalMethod URI=""><ds:Transforms>{bomb}</ds:Transforms></ds:RetrievalMethod>'
        },
    }


PLACES = _bombs_on_the_way()
REST = {f"{bomb}-{place}": (bomb, place) for bomb, place in product(BOMBS, PLACES)}


def refused(stage, surface, bomb, place):
    """Put a bomb into a place of a signature that nobody has to have made."""
    algorithm, content = BOMBS[bomb]
    content = content.replace("{url}", stage.canary.url).replace("{file}", str(stage.canary.file))
    root, target = draft(surface, stage)
    signature = sign(target, **PLACES[place](f'<ds:Transform Algorithm="{algorithm}">{content}</ds:Transform>'))
    signature.find(f"{{{DS}}}SignatureValue").text = "AAAA"
    stage.refused(surface.request(root), PROFILE)


@everywhere
@pytest.mark.parametrize("bomb", BOMBS)
def test_c069_transform_bomb(stage, surface, bomb):
    """C069: a transform that computes is refused before it runs: no time, no memory, no connection, no file."""
    refused(stage, surface, bomb, "second")


@pytest.mark.parametrize(("surface", "row"), in_turn(REST))
def test_c069_generated_transform_bomb(stage, surface, row):
    """C069: the same at every place at which a transform may be named."""
    refused(stage, surface, *row)


CHAINS = {
    "C072-only-c14n": (EXCLUSIVE,),
    "C072-only-enveloped": (ENVELOPED,),
    "C072-c14n-first": (EXCLUSIVE, ENVELOPED),
    "C072-three": (ENVELOPED, EXCLUSIVE, EXCLUSIVE),
    "C072-three-enveloped": (ENVELOPED, ENVELOPED, EXCLUSIVE),
    "C072-none": (),
    "C072-twice-enveloped": (ENVELOPED, ENVELOPED),
    "C072-twice-c14n": (EXCLUSIVE, EXCLUSIVE),
    "C072-hundred": (ENVELOPED,) + (EXCLUSIVE,) * 100,
    "C072-base64": (ENVELOPED, f"{DS}base64"),
}


@everywhere
@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS)
def test_c072_transforms(stage, surface, chain):
    """C072: the transforms are these two in this order; one less, one more or another order is refused."""
    root, target = draft(surface, stage)
    sign(target, transforms=chain)
    stage.refused(surface.request(root), PROFILE)


_STEPS = {
    "enveloped": ENVELOPED,
    "exclusive": EXCLUSIVE,
    "inclusive": INCLUSIVE,
    "xpath": XPATH,
    "base64": f"{DS}base64",
}


def _chains():
    """Every chain of up to three steps but the right one; each on one surface in turn."""
    for number, names in enumerate(chain for length in range(4) for chain in product(_STEPS, repeat=length)):
        if names != ("enveloped", "exclusive"):
            surface = SURFACES[number % len(SURFACES)]
            yield pytest.param(surface, [_STEPS[name] for name in names], id=f"{'+'.join(names) or 'none'}-{surface}")


@pytest.mark.parametrize(("surface", "chain"), list(_chains()))
def test_c072_generated_transforms(stage, surface, chain):
    """C072: every other chain of up to three steps is refused."""
    root, target = draft(surface, stage)
    sign(target, transforms=chain)
    reasons = (PROFILE, ALGORITHM) if chain == [ENVELOPED, INCLUSIVE] else (PROFILE,)
    stage.refused(surface.request(root), *reasons)


INSIDE = {
    "text": "x",
    "foreign": '<x:x xmlns:x="urn:x"/>',
    "xpath": "<ds:XPath>1</ds:XPath>",
    "two-prefix-lists": f'<e:InclusiveNamespaces xmlns:e="{EXCLUSIVE}" PrefixList="a"/>' * 2,
    "prefix-list-nested": (
        f'<e:InclusiveNamespaces xmlns:e="{EXCLUSIVE}" PrefixList="a"><e:InclusiveNamespaces PrefixList="a"/>'
        "</e:InclusiveNamespaces>"
    ),
    "prefix-list-with-text": f'<e:InclusiveNamespaces xmlns:e="{EXCLUSIVE}" PrefixList="a">a</e:InclusiveNamespaces>',
    "prefix-list-attribute": f'<e:InclusiveNamespaces xmlns:e="{EXCLUSIVE}" PrefixList="a" x="b"/>',
    "prefix-list-none": f'<e:InclusiveNamespaces xmlns:e="{EXCLUSIVE}"/>',
    "prefix-list-long": f'<e:InclusiveNamespaces xmlns:e="{EXCLUSIVE}" PrefixList="{" a" * 30_000}"/>',
    "prefix-list-other-namespace": '<e:InclusiveNamespaces xmlns:e="urn:x" PrefixList="a"/>',
}


METHODS = ("ds:Transform", "ds:CanonicalizationMethod", "enveloped", "ds:DigestMethod")


@pytest.mark.parametrize(
    ("surface", "row"),
    in_turn({f"{method}-{content}": (method, content) for method, content in product(METHODS, INSIDE)}),
)
def test_generated_content_of_a_method(stage, surface, row):
    """What a method holds besides one InclusiveNamespaces in a C14N is refused, as is a list that costs time."""
    element, content = row[0], INSIDE[row[1]]
    root, target = draft(surface, stage)
    text = f'<{element} Algorithm="{EXCLUSIVE}">{content}</{element}>'
    if element == "ds:Transform":
        how = {"transforms": (ENVELOPED, text)}
    elif element == "ds:CanonicalizationMethod":
        how = {"c14n": text}
    elif element == "enveloped":
        how = {"transforms": (f'<ds:Transform Algorithm="{ENVELOPED}">{content}</ds:Transform>', EXCLUSIVE)}
    else:
        how = {}
    signature = sign(target, key_info=x509("idp"), **how)
    if element == "ds:DigestMethod":
        method = signature.find(f".//{{{DS}}}DigestMethod")
        holder = etree.fromstring(f'<ds:x xmlns:ds="{DS}">{content}</ds:x>')
        method.text = holder.text
        method.extend(list(holder))
    stage.refused(surface.request(root), PROFILE)
