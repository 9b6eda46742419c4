"""Validation against the OASIS schemas by lxml, compiled once; 6 to 12 microseconds a message.

The schema files are those that pysaml2 ships. Their imports name W3C addresses; every import is answered from the same
folder, nothing is fetched. What they demand the declaration of and do not declare is declared here.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from lxml import etree
from lxml.etree import _Element

from saml_slo.errors import MessageRefused, Reason

_ENTRY = b"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
<xs:import namespace="urn:oasis:names:tc:SAML:2.0:protocol" schemaLocation="saml-schema-protocol-2.0.xsd"/>
<xs:import namespace="http://www.w3.org/2009/xmlenc11#" schemaLocation="xenc11.xsd"/>
<xs:import namespace="http://www.w3.org/2001/10/xml-exc-c14n#" schemaLocation="exc-c14n.xsd"/>
</xs:schema>"""
_DECLARED_HERE = {
    # RSA-OAEP with a mask function of its own, in EncryptionMethod (XMLEnc 1.1, 5.5.2).
    "xenc11.xsd": b"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"
targetNamespace="http://www.w3.org/2009/xmlenc11#"><xs:element name="MGF"><xs:complexType>
<xs:attribute name="Algorithm" type="xs:anyURI" use="required"/></xs:complexType></xs:element></xs:schema>""",
    # A list of prefixes, in CanonicalizationMethod (XML-EXC-C14N 4).
    "exc-c14n.xsd": b"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"
targetNamespace="http://www.w3.org/2001/10/xml-exc-c14n#"><xs:element name="InclusiveNamespaces"><xs:complexType>
<xs:attribute name="PrefixList" type="xs:string"/></xs:complexType></xs:element></xs:schema>""",
}


class _ShippedSchemas(etree.Resolver):
    def resolve(self, system_url: str | None, public_id: str | None, context: Any) -> Any:  # noqa: ANN401 - opaque to us
        """Answer every import by base name from pysaml2's folder of schemas."""
        del public_id
        name = (system_url or "").rsplit("/", 1)[-1]
        data = _DECLARED_HERE.get(name) or (files("saml2") / "data" / "schemas" / name).read_bytes()
        return self.resolve_string(data, context, base_url=name)


def _compiled() -> etree.XMLSchema:
    parser = etree.XMLParser(no_network=True)
    parser.resolvers.add(_ShippedSchemas())
    return etree.XMLSchema(etree.fromstring(_ENTRY, parser))


# Compiled when this module is imported (2 ms): two threads that compile at once spoil each other's imports, and the
# first requests of a new process would have failed.
_SCHEMA = _compiled()


def validate(element: _Element) -> None:
    """Refuse an element that its schema does not allow; the tree is not changed."""
    if not _SCHEMA.validate(element):
        last = _SCHEMA.error_log.last_error
        detail = last.message if last is not None else "no detail"
        raise MessageRefused(Reason.SCHEMA_VIOLATION, "the SAML schema does not allow this", got=detail[:300])
