"""Canonical XML 1.0 and Exclusive Canonicalization 1.0 by their texts, on expat: shares nothing with lxml and libxml2.

What a signature of XMLDSig is over, from the octets of the message: the element with an ID, without its own Signature.
"""

from xml.parsers import expat

from saml_slo.protocol.names import DS


class _Node:
    def __init__(self, name, attributes, scope):
        self.name = name
        self.scope = scope | {
            attribute.partition(":")[2]: uri
            for attribute, uri in attributes.items()
            if attribute == "xmlns" or attribute.startswith("xmlns:")
        }
        self.attributes = {
            attribute: value
            for attribute, value in attributes.items()
            if attribute != "xmlns" and not attribute.startswith("xmlns:")
        }
        self.content = []


def _tree(octets):
    """The document, each node with the namespaces that are in scope; comments and instructions are dropped."""
    top = _Node("", {}, {})
    open_ = [top]

    def start(name, attributes):
        node = _Node(name, dict(zip(attributes[::2], attributes[1::2], strict=True)), open_[-1].scope)
        open_[-1].content.append(node)
        open_.append(node)

    def text(characters):
        open_[-1].content.append(characters)

    parser = expat.ParserCreate("utf-8")
    parser.ordered_attributes = True
    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _: open_.pop()
    parser.CharacterDataHandler = text
    parser.Parse(octets, True)  # noqa: FBT003 - it takes no name
    return top.content[0]


def _find(node, identifier):
    if node.attributes.get("ID") == identifier:
        return node
    found = (_find(child, identifier) for child in node.content if isinstance(child, _Node))
    return next((child for child in found if child), None)


def _is_signature(child):
    if isinstance(child, str):
        return False
    prefix, _, local = child.name.rpartition(":")
    return local == "Signature" and child.scope.get(prefix) == DS


def digested(octets, identifier, *, exclusive, prefixes=()):
    """The octets that a signature is over: those of the element with this ID without the Signature in it."""
    node = _find(_tree(octets), identifier)
    node.content = [child for child in node.content if not _is_signature(child)]
    listed = {"" if prefix == "#default" else prefix for prefix in prefixes}
    return "".join(_written(node, {"": ""}, listed if exclusive else None)).encode()


def _written(node, rendered, listed):
    used = {node.name.rpartition(":")[0]} | {name.partition(":")[0] for name in node.attributes if ":" in name}
    used |= set(node.scope) if listed is None else listed & set(node.scope)
    declared = {
        prefix: node.scope.get(prefix, "")
        for prefix in used - {"xml"}
        if rendered.get(prefix) != node.scope.get(prefix, "")
    }
    yield f"<{node.name}"
    for prefix, uri in sorted(declared.items()):
        yield f' xmlns{":" + prefix if prefix else ""}="{_attribute(uri)}"'

    def order(item):
        prefix, _, local = item[0].rpartition(":")
        xml = "http://www.w3.org/XML/1998/namespace"
        return (({"xml": xml} | node.scope)[prefix] if prefix else "", local)

    for name, value in sorted(node.attributes.items(), key=order):
        yield f' {name}="{_attribute(value)}"'
    yield ">"
    for child in node.content:
        yield from [_text(child)] if isinstance(child, str) else _written(child, rendered | declared, listed)
    yield f"</{node.name}>"


def _text(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#xD;")


def _attribute(value):
    value = value.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return value.replace("\t", "&#x9;").replace("\n", "&#xA;").replace("\r", "&#xD;")
