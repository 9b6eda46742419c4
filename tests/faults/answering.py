"""What one of several worker processes does when answers come in: three threads, each with one answer and one look."""

import time
from threading import Thread

from saml_slo.app import create_app
from saml_slo.config import Settings
from tests import idp
from tests.running import ORIGIN

_APP = []


def start(settings):
    """Build this process's own app on the shared Redis."""
    _APP.append(create_app(Settings(**settings), clock=lambda: idp.NOW))


def deliver(work):
    """Send each answer at the moment `work` names, then go on to the next page; return where each was sent."""
    moment, handle, queries = work
    told = []

    def one(query):
        browser = _APP[0].test_client()
        time.sleep(max(0.0, moment - time.monotonic()))
        answered = browser.get(f"/saml/idp/slo?{query}", base_url=ORIGIN)
        onward = browser.get(f"/logout/{handle}/next", base_url=ORIGIN)
        told.append((answered.status_code, onward.headers.get("Location", "")))

    threads = [Thread(target=one, args=(query,)) for query in queries]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return told
