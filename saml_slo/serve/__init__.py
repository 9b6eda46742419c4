"""The production server: keys, the embedded Redis where none is named, and worker processes that answer HTTP.

Owns processes and sockets; what is answered is app.py's. The tree of processes and how each of them ends::

    saml-slo serve      SIGTERM or SIGINT: no new connections, requests finish, workers stop, Redis last
    ├── redis-server    only without SLO_REDIS_URL; the kernel ends it when its parent dies (store/embedded.py)
    └── worker …        granian, `workers` times; one that dies is replaced, one whose parent dies ends itself

What granian 2.8 does and does not do decides the constants. It hands over the query string octet by octet, reads heads
within a limit of time and bodies without one (bodies.py), and takes a thread for each request.
"""
