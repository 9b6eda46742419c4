"""Metadata that a command fetched and tried, handed to the servers: it counts at once, and nobody fetches it again.

It goes where renewal/ keeps what it fetches itself: sealed into Redis, where every node takes it from, and into the
copies of this machine. What cannot be handed over is no loss: a server fetches it. What belonged to a peer that was
removed is let go of again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

from saml_slo.certs import load_secret
from saml_slo.config import Settings
from saml_slo.errors import ConfigurationError, StoreUnavailable
from saml_slo.operations.adding import PeerKind
from saml_slo.operations.attach import redis_of
from saml_slo.operations.draft import Draft, Fetch
from saml_slo.peers.copies import CopyFiles, CopyState
from saml_slo.peers.remote_source import Remote, RemoteSources
from saml_slo.renewal import verdict
from saml_slo.renewal.fetch import Fetched
from saml_slo.renewal.shared import SharedCopies, keep_here
from saml_slo.store.connect import connect
from saml_slo.store.store import Store


def hand_over(settings: Settings, draft: Draft, fetch: Fetch, now: datetime) -> int:
    """Hand over what the files of a draft have at a URL, after they were written; return how many there were.

    `fetch` has the documents. What something is known of already is left to whoever looks after it.
    """
    remotes = RemoteSources(settings.metadata_dir, settings.copies_dir, public_url=settings.public_url).update(now)
    names = {name.removesuffix(".toml") for name, content in draft.files.items() if content is not None}
    new = [one for (kind, name), one in remotes.items() if f"{kind}/{name}" in names and one.source.state() is None]
    if not new:
        return 0
    count = 0
    with _store(settings) as store:
        shared = None if store is None else SharedCopies(store, load_secret(settings.certs_dir).derive("metadata"))
        for remote in new:
            with suppress(ConfigurationError):  # no right to write here, or no room
                count += _handed(shared, remote, fetch(remote.source.url), now)
    return count


def forget(settings: Settings, kind: PeerKind, name: str) -> None:
    """Let go of what was fetched for a peer whose file is gone: here, and in Redis. Nobody reads it any more.

    Other nodes do so by themselves (renewal/orphans.py), when their file is gone too.
    """
    for path in CopyFiles(settings.copies_dir, kind.folder, name).all():
        with suppress(OSError):
            path.unlink(missing_ok=True)
    with _store(settings) as store, suppress(StoreUnavailable):
        if store is not None:
            store.forget_copy(kind.folder, name)


@contextmanager
def _store(settings: Settings) -> Iterator[Store | None]:
    """Give the Redis of the server here, None where there is none or no secret to seal with yet."""
    try:
        load_secret(settings.certs_dir)
        store = Store(connect(redis_of(settings), timeout=settings.redis_timeout))
    except (ConfigurationError, StoreUnavailable):
        yield None
        return
    try:
        yield store
    finally:
        store.close()


def _handed(shared: SharedCopies | None, remote: Remote, document: bytes, now: datetime) -> bool:
    new = verdict.Kept(document, remote.read(document, now))
    moment = int(now.timestamp())
    state = CopyState(url=remote.source.url)
    after = verdict.came(state, None, new, Fetched(document), moment, policy=remote.source.changes, luck=0.0)
    if shared is not None:
        try:
            token = shared.lease(remote.copies)
            if token is None:
                return False  # a server is at it
            if shared.states([remote]) == [None]:
                return shared.write(remote.copies, token, after.state, after.documents)
            shared.release(remote.copies, token)
        except StoreUnavailable:
            pass
        else:
            return False
    keep_here(remote.copies, after.state, after.documents)
    return True
