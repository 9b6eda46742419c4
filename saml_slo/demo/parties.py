"""The process of the identity provider and the applications: WSGI servers on sockets that it is given.

It ends when its standard input does, so it never outlives whoever started it.
"""

from __future__ import annotations

import os
import sys
import threading
import warnings

from werkzeug.serving import WSGIRequestHandler, make_server

from saml_slo.demo.places import LOOPBACK, NEWS, SHOP, Places
from saml_slo.demo.switches import Switches


class _Quiet(WSGIRequestHandler):
    """A request handler that writes no line for each request."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Write nothing."""


def main() -> None:
    """Serve until standard input ends. Arguments: the places, the switches, the sockets."""
    places, switches = Places.load(sys.argv[1]), Switches.load(sys.argv[2])
    idp_socket, application_socket, shop_socket, news_socket = map(int, sys.argv[3:7])
    threading.Thread(target=_end_with_stdin, daemon=True).start()

    from saml_slo.demo.application import create_application  # noqa: PLC0415 - its turn is before pysaml2's
    from saml_slo.demo.linked import create_news, create_shop, enlist  # noqa: PLC0415 - as above

    # The applications first: they are there while pysaml2 is still being imported, and their files before the
    # connection's, so that whoever sees the connection in force sees them as well.
    credentials = enlist(places)
    for port, app, listener in (
        (places.application_port, create_application(places), application_socket),
        (places.shop_port, create_shop(places, credentials[SHOP]), shop_socket),
        (places.news_port, create_news(places, credentials[NEWS]), news_socket),
    ):
        server = make_server(LOOPBACK, port, app, threaded=True, request_handler=_Quiet, fd=listener)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pysaml2 uses names that cryptography has moved
        from saml_slo.demo.idp_pages import create_idp  # noqa: PLC0415 - within the block that keeps it quiet
    make_server(
        LOOPBACK, places.idp_port, create_idp(places, switches), threaded=True, request_handler=_Quiet, fd=idp_socket
    ).serve_forever()


def _end_with_stdin() -> None:
    while os.read(sys.stdin.fileno(), 1):  # not through a buffer, whose lock would be held at our end
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
