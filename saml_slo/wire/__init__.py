"""How it looks on the wire: bytes in, types out. lxml and pysaml2 live here; only the demo has them too.

Owns parsing, schema validation, signatures, encryption, bindings and the ordered list of checks. Does no I/O but for
reading its schemas once, knows no session and no policy but what a `Connection` says.
"""
