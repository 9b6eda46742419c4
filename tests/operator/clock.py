"""Another program's clock put wrong: libfaketime, preloaded into SimpleSAMLphp alone, reads the offset from a file."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.interop.row import NotRunError

_WHERE = ("/usr/lib", "/usr/local/lib")
_INSTALL = ("apt-get", "-o", "DPkg::Lock::Timeout=600", "install", "-y", "--no-install-recommends", "libfaketime")
_INSTALL_SECONDS = 600
_SEEN_SECONDS = 0.2


class Clock:
    """The clock of whatever was started inside `preloaded`."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.set(0)

    def set(self, ahead: int) -> None:
        """Put it this many seconds ahead."""
        self._file.write_text(f"{ahead:+d}\n")
        time.sleep(_SEEN_SECONDS)

    @contextmanager
    def preloaded(self) -> Iterator[None]:
        """Let what is started now live by this clock."""
        added = {
            "LD_PRELOAD": str(_library()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
        }
        os.environ.update(added)
        try:
            yield
        finally:
            for name in added:
                del os.environ[name]


def _library() -> Path:
    """Return libfaketime, installed with apt where it is missing; this needs root."""
    if found := _found():
        return found
    with suppress(OSError):  # no apt-get here
        subprocess.run(_INSTALL, capture_output=True, timeout=_INSTALL_SECONDS, check=False)
    if found := _found():
        return found
    raise NotRunError(
        "libfaketime, which puts a clock wrong, is not installed and could not be: apt install libfaketime."
    )


def _found() -> Path | None:
    places = (found for where in _WHERE for found in Path(where).glob("**/faketime/libfaketime.so.1"))
    return next(places, None)
