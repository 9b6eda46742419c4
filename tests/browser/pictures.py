"""Pictures of pages, for whoever wants to look at them."""

import os
from pathlib import Path


def keep_picture(page, name):
    """Keep a picture where SLO_SCREENSHOTS says."""
    folder = os.environ.get("SLO_SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
