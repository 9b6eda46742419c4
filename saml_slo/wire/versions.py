"""Which XML libraries are at work: lxml and xmlsec share one libxml2, and a pair that does not must not be used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import xmlsec
from lxml import etree

_XMLSEC: Any = xmlsec  # its stubs do not know of its versions

Version = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class XmlVersions:
    """The versions at run time; the two of libxml2 are those that lxml and xmlsec were built with."""

    lxml: Version
    xmlsec: str
    libxmlsec: Version
    libxml2_of_lxml: Version
    libxml2_of_xmlsec: Version

    @property
    def is_a_pair(self) -> bool:
        """Return whether both use the same libxml2."""
        return self.libxml2_of_lxml == self.libxml2_of_xmlsec


def xml_versions() -> XmlVersions:
    """Return the versions of this process."""
    return XmlVersions(
        lxml=etree.LXML_VERSION[:3],
        xmlsec=str(_XMLSEC.__version__),
        libxmlsec=tuple(_XMLSEC.get_libxmlsec_version()),
        libxml2_of_lxml=etree.LIBXML_VERSION,
        libxml2_of_xmlsec=tuple(_XMLSEC.get_libxml_version()),
    )
