"""One person, six applications of six kinds, one of them down; one click; a receipt that is right line by line."""

from contextlib import suppress

from playwright.sync_api import Error

from tests.browser.six import six_applications


def lines(page):
    """What the receipt says of each session: name and state."""
    told = page.evaluate("fetch(location.pathname + '.json').then((answer) => answer.json())")
    return {row["name"]: row["state"] for row in told["sessions"]}, told


def wait_until(page, come):
    """Wait until the receipt says so, return what it says; the page goes its own way meanwhile."""
    for _ in range(100):
        with suppress(Error):  # it goes on while it is asked
            if page.url.split("/")[-2] == "logout" and come((found := lines(page))[0]):
                return found
        page.wait_for_timeout(100)
    raise AssertionError(page.url)


def test_one_click_signs_out_of_six_applications(set_up, tmp_path, page):
    """Everything that can end ends; what cannot answer and what is down is told as it is; the retry goes through."""
    stage = set_up(applications=("good", "back"))
    with six_applications(stage, tmp_path, stage.app) as six:
        six.sign_in(page)
        other_tab = page.context.new_page()
        other_tab.goto(f"{six.wiki}/pages/8")
        other_tab.get_by_role("heading", name="Hello").wait_for()

        page.goto(six.customers.origin)
        page.get_by_role("link", name="Sign out everywhere").click()
        page.wait_for_url(f"{stage.bridge}/logout/*")
        states, told = wait_until(page, lambda states: states["Example Ltd"] == "confirmed")
        assert states == {
            "This browser": "confirmed",
            "Expenses": "confirmed",
            "Payroll": "confirmed",
            "Customers": "confirmed",
            "Invoices": "timed_out",
            "Wiki": "confirmed",
            "News": "sent",
            "Example Ltd": "confirmed",
        }
        assert told["settled"] is False  # the webhook is tried again
        # What the receipt says is what became of each session. The frame of News loaded, without its cookie, so its
        # session lives on: that is why a frame that loaded is `sent` and never more.
        assert [len(shop.sessions) for shop in (six.customers, six.invoices, six.news)] == [0, 1, 1]
        assert other_tab.goto(f"{six.wiki}/pages/8").url.startswith(stage.idp.origin)
        assert stage.timeline[-1] == "idp"

        six.invoices_come_back()
        stage.clock.move(6)
        six.app.extensions["saml_slo"].sweeper.sweep()
        _, told = wait_until(page, lambda states: states["Invoices"] == "confirmed")
        assert not six.invoices.sessions
        assert told["settled"] is True
        page.reload()
        row = page.get_by_role("listitem").filter(has=page.get_by_role("heading", name="Invoices"))
        row.get_by_text("Signed out", exact=True).wait_for()
