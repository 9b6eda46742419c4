"""One emulator for each vendor that was studied: a working peer that enforces the vendor's rules of a logout.

Written from public documentation and issue threads, not from the vendors' code. `message.py` decodes and verifies what
the bridge sends without any code of the bridge, `rules.py` has the rules that several vendors share,
`identity_provider.py` the road of a logout at an IdP; the vendors stand in `microsoft.py`, `services.py`, `servers.py`
and `applications.py`.
A rule that is broken raises `Breach` with the rule's name, where the vendor would show an error page or keep a session.
"""
