"""The cookies of a person's browser, with the rules that decide a single logout.

Like a browser, it shares cookies between the ports of one host, keeps `SameSite=Lax` cookies out of what another host's
page sends by POST or opens in a frame, brings no cookie to a frame of another host than the window's (Chromium's
default), and drops a `__Host-` cookie that breaks the rules of its prefix. Like Chromium it takes Secure cookies over
http from this machine. A cookie without SameSite goes wherever none of this forbids it, as in Firefox and Safari.
"""

import time
from collections.abc import Iterable
from email.utils import parsedate_to_datetime
from http.cookies import Morsel, SimpleCookie


class Jar:
    """Cookies by host and name."""

    def __init__(self) -> None:
        self._cookies: dict[str, dict[str, Morsel[str]]] = {}

    def value(self, host: str, name: str) -> str | None:
        """Return the value of a cookie of a host."""
        morsel = self._cookies.get(host, {}).get(name)
        return None if morsel is None else morsel.value

    def forget(self, host: str, name: str) -> None:
        """Drop a cookie of a host."""
        self._cookies.get(host, {}).pop(name, None)

    def header(self, host: str, *, cross_site: bool, above: Iterable[str]) -> str:
        """Return what goes along to a host. `cross_site`: no Lax cookies; `above`: the hosts of the windows around."""
        if any(window != host for window in above):
            return ""
        known = self._cookies.get(host, {}).values()
        going = [cookie for cookie in known if not cross_site or cookie["samesite"].lower() in ("", "none")]
        return "; ".join(f"{cookie.key}={cookie.coded_value}" for cookie in going)

    def keep(self, host: str, header: str, *, above: Iterable[str]) -> None:
        """Take a Set-Cookie header."""
        if any(window != host for window in above):
            return
        jar = self._cookies.setdefault(host, {})
        for name, cookie in SimpleCookie(header).items():
            if name.startswith("__Host-") and not (cookie["secure"] and cookie["path"] == "/" and not cookie["domain"]):
                continue
            if _is_over(cookie):
                jar.pop(name, None)
            else:
                jar[name] = cookie


def _is_over(cookie: Morsel[str]) -> bool:
    if cookie["max-age"]:
        return int(cookie["max-age"]) <= 0
    return bool(cookie["expires"]) and parsedate_to_datetime(cookie["expires"]).timestamp() <= time.time()
