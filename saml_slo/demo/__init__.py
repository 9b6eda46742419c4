"""`make run`: some parties on this machine, so that a newcomer sees a logout from all sides within a minute.

Owns an identity provider made with pysaml2, three small applications, and the bridge with some more pages: programs of
their own, which nothing in the product imports. Not a template for anything real: the identity provider signs anybody
in with one click, and its faults are switches::

    places.py        who lives where: distinct *.localhost names, so that browsers keep the parties' cookies apart
    switches.py      what can be made to go wrong, as values with a sentence each
    idp.py           the identity provider: its messages and sessions      signer.py     XML signatures for pysaml2
    idp_pages.py     its pages                                             application.py   the application's pages
    linked.py        two applications more that do not speak SAML: Shop and News
    bridge.py        the real bridge with a start page and some endpoints more: /demo, /demo/whoami …
    parties.py       the process that the identity provider and the applications share
    run.py           starts all of it, stops all of it
    browser.py       a browser without a screen                            check.py      drives it through every switch
"""
