"""An operator's browser for tests: made with a link, as a person does it."""

import re

from tests.running import ORIGIN

NAME, PASSWORD = "olga", "correct horse battery"


def token_of(page):
    """The token that a page puts into its forms."""
    return re.search(r'name="form_token" value="([0-9a-f]{64})"', page.get_data(as_text=True))[1]


def enrol(bridge, browser=None, name=NAME, password=PASSWORD):
    """Make an operator in a browser; return it, signed in."""
    browser = browser or bridge.browser()
    link = bridge.app.extensions["saml_slo"].operators.new_link()
    page = browser.get(f"/console/first?link={link}", base_url=ORIGIN)
    form = {"form_token": token_of(page), "link": link, "name": name, "password": password}
    response = browser.post("/console/first", data=form, base_url=ORIGIN)
    assert response.status_code == 303, response.get_data(as_text=True)
    return browser


def sign_in(bridge, browser, name=NAME, password=PASSWORD, **more):
    """Send the sign-in form; return the answer."""
    page = browser.get("/console/sign-in", base_url=ORIGIN)
    form = {"form_token": token_of(page), "name": name, "password": password, **more}
    return browser.post("/console/sign-in", data=form, base_url=ORIGIN)
