"""Programs of Debian that tests run: taken out of their packages, because whoever installs one may start its service.

Nothing outside .venv changes. Root is needed only where the lists of packages are missing or old (`apt-get update`).
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / ".venv" / "debian"
_PATIENCE = 600  # seconds for a mirror that is slow
_AGAIN = ("-o", "Acquire::Retries=3")


def program(package, path):
    """Return a program: the installed one, else that of its unpacked package; None where there is neither."""
    unpacked = FOLDER / package / path
    return shutil.which(Path(path).name) or (str(unpacked) if unpacked.exists() else None)


def fetch(package, path):
    """Return a program, out of its package where it is not installed; exit with words where that cannot be had."""
    if program(package, path) is None:
        print(f"Taking {package} out of its Debian package", flush=True)  # noqa: T201 - to the terminal
        if shutil.which("apt-get") is None:
            sys.exit(
                f"{package} is not here, and neither is apt-get: install {package} by hand (apt install {package})."
            )
        FOLDER.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=FOLDER) as work:
            _unpack(package, Path(work))
            (Path(work) / "files").replace(FOLDER / package)
    found = program(package, path)
    assert found is not None, f"the package {package} has no {path}"
    return found


def _unpack(package, work):
    download = ("apt-get", "download", "-qq", *_AGAIN, package)
    if _quietly(download, work):  # no lists of packages, or so old that they name files which are gone
        trouble = _quietly(("apt-get", "update", "-qq", *_AGAIN), work) or _quietly(download, work)
        if trouble:
            sys.exit(f"{package} could not be fetched (as root: apt-get update; apt install {package}):\n{trouble}")
    (archive,) = work.glob("*.deb")
    subprocess.run(("dpkg-deb", "-x", archive, work / "files"), check=True, timeout=_PATIENCE)


def _quietly(command, folder):
    """Return what a command complained of when it failed."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=_PATIENCE)
    return (done.stderr or f"exit code {done.returncode}") if done.returncode else ""
