"""Every page, in light and dark, on a phone and on a desktop: says what it must, fits, and has no barriers."""

import pytest

from tests.browser.engine import COLOURS
from tests.browser.pictures import keep_picture
from tests.browser.scenes import SCENES

WIDTHS = {"phone": 360, "desktop": 1280}
SERIOUS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_every_page_fits_and_has_no_barriers(scene, set_up, open_page, axe):
    """The heading says what happened; nothing is wider than the window; axe finds nothing, in any of the four looks."""
    stage = set_up(**scene.setting)
    page = open_page()
    scene.road(stage, page)
    hold_still(page)
    assert page.get_by_role("heading", level=1).inner_text().replace("\n", " ").rstrip() == scene.heading
    found = []
    for scheme in COLOURS:
        for look, width in WIDTHS.items():
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 800})
            keep_picture(page, f"{scene.name}-{scheme}-{look}")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (scheme, look)
            found += [(scheme, look, *barrier) for barrier in barriers(page, axe)]
    assert found == []


def test_the_progress_page_fits_without_a_script(set_up, open_page):
    """The scene `forms` as it is; axe needs a script, so barriers are looked for there."""
    stage, page = set_up(applications=("good", "slow", "back")), open_page(java_script_enabled=False)
    stage.sign_in_everywhere(page, by_hand=True)
    page.goto(f"{stage.bridge}/v2/logout")
    page.frame_locator(".forms iframe").get_by_role("button").wait_for()
    page.route("**/next", lambda route: route.fulfill(status=204))  # so that it does not go on under our eyes
    for scheme in COLOURS:
        for look, width in WIDTHS.items():
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 800})
            keep_picture(page, f"no-script-{scheme}-{look}")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (scheme, look)


def hold_still(page):
    """Let the page go nowhere by itself, so that it does not reload under our eyes."""
    page.route(
        "**/*",
        lambda route: route.fulfill(status=204) if route.request.is_navigation_request() else route.fallback(),
    )


def barriers(page, axe):
    """What axe finds: rule and the elements."""
    page.evaluate(f"() => {{ {axe} }}")
    result = page.evaluate("tags => axe.run({runOnly: tags})", list(SERIOUS))
    return [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in result["violations"]]
