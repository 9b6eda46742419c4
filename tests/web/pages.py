"""A page as a careful reader sees it: strictly parsed, checked for what every page must be, its receipt read out."""

from dataclasses import dataclass
from html.parser import HTMLParser

from lxml import etree, html

from tests import idp
from tests.running import ORIGIN, OTHER_ENTITY_ID, sent

# Elements of HTML that have no end tag; everything else must be closed in the order in which it was opened.
VOID = {"meta", "link", "input", "br", "img", "hr"}


class Strict(HTMLParser):
    """Refuses what browsers repair: tags that cross or stay open, an attribute twice, a stray `<` or `&`."""

    def __init__(self):
        super().__init__(convert_charrefs=False)
        self.open = []

    def handle_starttag(self, tag, attrs):
        """Open an element; an SVG's may close themselves."""
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"an attribute twice in <{tag}>"
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        """Let only SVG close itself."""
        assert "svg" in self.open, f"<{tag}/> is not closed in HTML"

    def handle_endtag(self, tag):
        """Close the element that was opened last."""
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> crosses another element"

    def handle_data(self, data):
        """Refuse what should have been escaped."""
        assert "<" not in data, data
        assert "&" not in data, data


def read(response):
    """Return the page of a response as an lxml tree, after the checks that every page must pass."""
    text = response.get_data(as_text=True)
    assert response.mimetype == "text/html"
    assert response.mimetype_params == {"charset": "utf-8"}
    parser = Strict()
    parser.feed(text)
    parser.close()
    assert parser.open == []
    page = html.document_fromstring(text)
    _check_structure(page)
    _check_policy(page)
    return page


def _check_structure(page):
    assert page.get("lang") == "en"
    assert page.findtext(".//title").strip()
    assert len(page.findall(".//h1")) == 1
    assert len(page.findall(".//main")) == 1
    assert not page.xpath("//*[local-name() = 'path'][@d = '']"), "an icon that nobody drew"
    ids = page.xpath("//@id")
    assert len(ids) == len(set(ids)), ids
    for name in ("aria-labelledby", "aria-describedby", "data-copy"):
        for reference in page.xpath(f"//@{name}"):
            assert reference in ids, reference
    for button in [*page.iter("button"), *page.iter("a"), *page.iter("summary")]:
        assert words(button), "something to press has no words"
    for field in page.iter("input"):
        assert field.get("type") == "hidden", "a field that people see needs a label"
    for icon in page.iter("svg"):
        assert icon.get("aria-hidden") == "true"


def _check_policy(page):
    """Refuse what our Content-Security-Policy forbids, and everything that comes from elsewhere."""
    assert not page.xpath("//@style | //style | //@*[starts-with(name(), 'on')] | //base")
    for frame in page.iter("iframe"):
        assert frame.get("src").startswith("/logout/"), frame.get("src")
        assert "allow-top-navigation" not in frame.get("sandbox").split(), "a frame could take the window away"
        assert frame.get("title")
    for script in page.iter("script"):
        assert script.get("src").startswith("/static/")
        assert not script.text
    for resource in page.xpath("//link/@href | //img/@src"):
        assert resource.startswith("/static/"), resource


def words(element):
    """The text of an element, with its white space folded."""
    return " ".join(element.text_content().split())


@dataclass(frozen=True)
class Line:
    """One session on a receipt: its state, tone, name, the word for its state, all its text, and whom a button asks."""

    state: str
    tone: str
    name: str
    label: str
    text: str
    asks: str | None
    facts: dict


def lines(page):
    """The sessions on a receipt."""
    return [_line(row) for row in page.xpath("//li[@data-state]")]


def _line(row):
    assert len(row.xpath("./span[contains(@class, 'mark')]//svg")) == 1, "no icon beside the colour"
    return Line(
        state=row.get("data-state"),
        tone=row.get("class").removeprefix("row "),
        name=words(row.find(".//h2//bdi")),
        label=words(row.xpath(".//h2/span[@class='word']")[0]),
        text=" ".join(words(paragraph) for paragraph in row.findall("div/div/p")),
        asks=next(iter(row.xpath(".//form//input[@name='target']/@value")), None),
        facts={words(term): words(term.getnext()) for term in row.iter("dt")},
    )


# The way to a receipt ---------------------------------------------------------------------------------------------


def receipt_page(bridge, browser, response):
    """The receipt page to which a response leads."""
    assert response.status_code == 303, response.get_data(as_text=True)
    assert response.headers["Location"].startswith("/logout/")
    return read(bridge.get(browser, response.headers["Location"]))


def heading(page):
    """The words of its heading."""
    return words(page.find(".//h1"))


def asked(bridge, browser, **query):
    """Sign out federated; return the LogoutRequest that the browser takes to the IdP."""
    return sent(bridge.logout(browser, federated="", **query))


def answer(bridge, browser, request, **how):
    """Let the IdP answer a LogoutRequest by Redirect."""
    message = idp.logout_response(in_response_to=request.id, signed=False, **how)
    return bridge.deliver(browser, idp.redirect(message))


def comes_back(bridge, browser):
    """The receipt page of this browser's last logout."""
    cookie = browser.get_cookie("__Host-slo-logout", domain="bridge.example")
    return read(bridge.get(browser, f"/logout/{cookie.value}"))


def sign_in_elsewhere(bridge, browser):
    """Sign in through the second connection as well."""
    request = bridge.start_sign_in(browser, "other-idp")
    endpoint = f"{ORIGIN}/saml/sp/other-idp"
    made = bridge.answer(request, issuer=OTHER_ENTITY_ID, confirmations=idp.bearer(recipient=f"{endpoint}/acs"))
    text = etree.tostring(made).decode().replace(idp.SP, f"{endpoint}/metadata").replace(idp.ACS, f"{endpoint}/acs")
    root = etree.fromstring(text.replace(f">{idp.ENTITY_ID}<", f">{OTHER_ENTITY_ID}<"))
    found = root.find("{*}Assertion")
    found.remove(found.find("{*}Signature"))
    idp.sign(found, "other-idp")
    response = bridge.deliver(browser, idp.post(root, endpoint=f"{endpoint}/acs"))
    assert response.status_code == 303, response.get_data(as_text=True)
