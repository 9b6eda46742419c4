"""A house for a command: every part, at the Redis of the server that runs here or wherever the settings say."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from saml_slo import house
from saml_slo.config import Settings
from saml_slo.errors import ConfigurationError, StoreUnavailable
from saml_slo.house import House
from saml_slo.store.connect import connect
from saml_slo.store.embedded import EmbeddedRedis
from saml_slo.store.store import Store


@contextmanager
def attached(settings: Settings, clock: Callable[[], datetime] | None = None) -> Iterator[House]:
    """Give the parts for as long as the block runs; nothing is swept or renewed in the background.

    Without `redis_url` it is the embedded Redis of the server that runs on this machine. Raises ConfigurationError
    where none runs, or where the server would not start either.
    """
    parts = house.build(settings.model_copy(update={"redis_url": redis_of(settings)}), clock or house.utc_now)
    try:
        yield parts
    finally:
        parts.store.close()


def redis_of(settings: Settings) -> str:
    """Return the URL of the Redis that the server here uses, or raise ConfigurationError."""
    if settings.redis_url is not None:
        return settings.redis_url
    folder = settings.data_dir / "redis"
    if not (folder / "redis.sock").exists():
        raise ConfigurationError(
            "no server runs here, so there is nothing to look at",
            file=folder,
            expected="the embedded Redis of a running `saml-slo serve`, or a Redis named in the settings",
            setting="SLO_REDIS_URL",
            next_step="Start the server, run this in its folder, or name its Redis.",
        )
    return EmbeddedRedis(folder).url


def noted(settings: Settings, *acts: tuple[str, str]) -> bool:
    """Record what an operator did to files, as (action, subject), in the audit trail; False where that has to wait.

    Files change without a server as well, so a Redis that is not there keeps nobody from it.
    """
    try:
        store = Store(
            connect(redis_of(settings), timeout=settings.redis_timeout),
            audit_lifetime=settings.audit_retention * 86_400_000,
        )
    except (ConfigurationError, StoreUnavailable):
        return False
    try:
        for action, subject in acts:
            store.note(operator(), action, subject)
    except StoreUnavailable:
        return False
    finally:
        store.close()
    return True


def operator() -> str:
    """Return who is at this terminal, for the audit trail; empty where the system does not say."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (OSError, KeyError):
        return ""
