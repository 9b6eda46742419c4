"""saml_slo: a SAML 2.0 single-logout bridge. This page is the map.

The house, top floor first; a part imports only what stands below it, never a neighbour, never upwards::

    cli/, serve/       the `saml-slo` command; the production server and the embedded Redis under it
    demo/              an IdP made with pysaml2 and three small applications, for `make run`
    client/            runs in applications, not here: the API in Python, a session check, a receiver of notices
    app.py             create_app(settings): the parts behind their endpoints
    web/               what the browser sees: one file per page or endpoint family; Flask lives here
    operations/        what operators do, for the command line and the console alike
    diagnosis/         what is wrong here, and what does that error mean?
    inspection/        what is this message, and would we accept it?
    house.py           build(settings): the only place where the parts are put together
    bridge.py          the road of a logout          signin.py   the road of a sign-in
    peer_logout.py     the road of a LogoutRequest   sso.py      the road of an application's AuthnRequest
    remote_logout.py   the road of a logout without a browser: API, operator, timeout
    application_sessions.py  the road of a session that an application registers by the API
    forward.py         the road of a sign-in to an application behind a reverse proxy
    operators.py       who uses the console
    worker.py          what has to happen without anybody asking
    question.py        what a person is asked before a logout ends anything
    journey.py         from a committed step to the browser: deliveries, the next hop, the requester's answer
    asking.py          how a peer is asked           ending.py   how a session is ended wherever it lives
    policies.py        whom a logout reaches         naming.py   how an application is told who a person is
    preflight.py       which applications have unsaved work
    renewal/           metadata that others publish: fetched, verified, compared, kept as copies of our own
    reporting/         what happened, told to operators: log lines, counters, the page that Prometheus reads
    registration.py    what an application's registration makes of a session
    delivery/          how it leaves: the one HTTP client, and to which addresses it speaks
    store/             where state rests: domain verbs on Redis, each one atomic step
    certs.py           our key files
    peers/             whom we talk to: files under metadata/ become the records of protocol/peer.py
    wire/              how it looks on the wire: bytes in, types out, signatures; lxml lives here
    logout/            what we decide: a pure state machine
    protocol/          what SAML says: pure types
    config.py          Settings                      errors.py   the error tree
    lines.py           which request and logout a log line is about

The road of a message: web/ takes the raw request → wire/bindings decodes it → wire/checks verifies it (the only maker
of `Verified`) → logout/engine decides → store/ commits the decision in one step → web/ answers with what the step
says. Sign-in takes the same road through signin.py.

Three promises that the structure keeps: nothing unverified reaches a decision; nothing is said to have ended that the
store has not ended; every message that we could not act on has a reason and a reference code.
"""

__version__ = "0.1.0"
