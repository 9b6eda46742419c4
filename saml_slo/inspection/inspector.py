"""One capture in, one report out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from saml_slo.errors import MessageRefused, Reason
from saml_slo.inspection.advice import advice
from saml_slo.inspection.place import Place, Places
from saml_slo.inspection.reading import binding_of, decoded, look, relay_state_of, request_of, signatures_of
from saml_slo.inspection.report import Fact, Report, Step, StepState, Time, Verdict, digest_of, distance
from saml_slo.inspection.source import Captured
from saml_slo.inspection.token import inspect_token
from saml_slo.inspection.trial import Trial, failed_step
from saml_slo.peers.registry import Registry
from saml_slo.protocol.peer import Peer
from saml_slo.wire import bindings
from saml_slo.wire.algorithms import METADATA_ALGORITHMS, AllowedAlgorithms, allowed_for
from saml_slo.wire.bindings.received import Received
from saml_slo.wire.encryption import DecryptionKeys
from saml_slo.wire.keys import OurKeys
from saml_slo.wire.outline import Element, Outline, outline
from saml_slo.wire.reader import saml

_MESSAGES = ("AuthnRequest", "Response", "LogoutRequest", "LogoutResponse")
_USUAL = AllowedAlgorithms(METADATA_ALGORITHMS.signature, METADATA_ALGORITHMS.digest)
_KEYS_UNREAD = "Our keys could not be read (SLO_CERTS_DIR), so its signature was not checked."
_NOT_SIGNED_BY_US = (
    "It has our name as Issuer, and none of the keys that we publish signed it: it is not ours, was copied without its "
    "signature, or is older than the present key."
)
_NOBODY = "Nobody here has this Issuer, and the URL it was sent to is none of our endpoints."


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspector:
    """Looks at captures with the eyes of one installation. `public_url` is ours, without a slash at the end.

    `keys` are ours, None where there are none: then nothing is decrypted, and what we sent is not recognised by its
    signature. `clock` returns aware UTC; it is the time at which the message is judged.
    """

    registry: Registry
    public_url: str
    keys: OurKeys | None
    clock: Callable[[], datetime]

    def inspect(self, captured: Captured, *, peer: str | None = None, reveal: bool = False) -> Report:
        """Return what a capture is and what would become of it.

        `peer` names whose message it is where the Issuer does not; `reveal` shows whom it concerns. Raises
        ConfigurationError for a peer that is not there, or where `peer` is needed.
        """
        now = self.clock()
        if captured.token:
            published = () if self.keys is None else self.keys.published_signing
            return inspect_token(captured, self.registry, published, now, reveal=reveal)
        places = Places(self.registry, self.public_url)
        root = look(captured)
        if root is None:
            return self._unreadable(captured)
        said = outline(root)
        if said.kind not in _MESSAGES:
            return _not_a_message(captured, said)
        # One that names us and came to us is somebody's forgery or mistake, and takes the usual road.
        if places.is_ours(said.issuer) and places.at(captured.url) is None:
            return self._ours(captured, said, reveal=reveal)
        place = places.find(said.kind, said.issuer, (captured.url, said.destination or ""), peer)
        if place is None:
            return self._of_nobody(captured, said, places, reveal=reveal)
        return self._tried(captured, said, place, places, reveal=reveal)

    def _tried(self, captured: Captured, said: Outline, place: Place, places: Places, *, reveal: bool) -> Report:
        decryption = DecryptionKeys(()) if self.keys is None else self.keys.decryption
        trial = Trial(self.registry, place, decryption, self.clock())
        trial.run(request_of(captured, place.endpoint))
        # What was decrypted is told from what came: the trial has put it into its own copy of the document.
        opened_up = trial.assertion if any(one.name == "EncryptedAssertion" for one in said.said) else None
        if opened_up is not None and opened_up.tag != saml("Assertion"):
            opened_up = None
        if opened_up is not None and (root := look(captured)) is not None:
            said = outline(root, opened_up)
        steps = tuple(trial.steps)
        failed = next((step for step in steps if step.state is StepState.FAILED), None)
        notes = [captured.note, place.note]
        if failed is not None and failed.name == "sender" and (closest := places.closest(said.issuer)):
            notes.append(f"The entity id here that looks most like it is {closest}")
        if failed is not None and failed.reason == Reason.DECRYPT_FAILED and self.keys is None:
            notes.append("Our keys could not be read (SLO_CERTS_DIR), so nothing could be decrypted.")
        return self._report(
            captured,
            said,
            verdict=Verdict.ACCEPTED if failed is None else Verdict.REFUSED,
            summary=_summary(steps),
            endpoint=place.endpoint,
            peer=trial.peer,
            received=decoded(captured, place.endpoint),
            assertion=None if opened_up is None else trial.assertion_as_it_came,
            steps=steps,
            notes=tuple(filter(None, notes)),
            reveal=reveal,
        )

    def _ours(self, captured: Captured, said: Outline, *, reveal: bool) -> Report:
        """Report a message with our name as Issuer; anybody could write that, our signature says whether it is ours."""
        report = self._report(
            captured,
            said,
            verdict=Verdict.SENT_BY_US,
            summary=f"We sent it to {said.destination or captured.url or 'a peer'}, which decides about it.",
            received=decoded(captured, ""),
            signed_by_us=True,
            reveal=reveal,
        )
        if self.keys is None:
            return replace(report, summary=f"It has our name as Issuer. {_KEYS_UNREAD}")
        if any(signature.signer for signature in report.signatures):
            return report
        return replace(report, verdict=Verdict.REFUSED, summary=_NOT_SIGNED_BY_US)

    def _of_nobody(self, captured: Captured, said: Outline, places: Places, *, reveal: bool) -> Report:
        known = [peer.entity_id for peer in (*self.registry.connections(), *self.registry.service_providers())]
        setting, next_step = advice(Reason.ISSUER_UNKNOWN)
        closest = places.closest(said.issuer)
        step = Step(
            name="sender",
            says="Know whose keys the message must be verified with.",
            state=StepState.FAILED,
            reason=str(Reason.ISSUER_UNKNOWN),
            message=_NOBODY,
            expected=", ".join(known)[:500] or "the entity id of a connection or application; there is none yet",
            got=repr(said.issuer)[:300],
            setting=setting,
            next_step=f"Did it mean {closest}? " + next_step if closest else next_step,
        )
        return self._report(
            captured,
            said,
            verdict=Verdict.REFUSED,
            summary=f"{_NOBODY} ({Reason.ISSUER_UNKNOWN})",
            received=decoded(captured, ""),
            steps=(step,),
            reveal=reveal,
        )

    def _unreadable(self, captured: Captured) -> Report:
        """Report a capture in which no XML can be seen: what the server's decoder says of it."""
        steps: tuple[Step, ...] = ()
        try:
            bindings.decode(request_of(captured, ""))
        except MessageRefused as refused:
            steps = (failed_step("decode", "Take the message out of the request.", refused),)
        return Report(
            found_in=captured.found_in,
            kind="unreadable",
            verdict=Verdict.REFUSED,
            summary=_summary(steps),
            steps=steps,
            notes=tuple(filter(None, [captured.note])),
        )

    def _report(  # noqa: PLR0913 - what a report is made of
        self,
        captured: Captured,
        said: Outline,
        *,
        verdict: Verdict,
        summary: str,
        received: Received | None,
        reveal: bool,
        endpoint: str = "",
        peer: Peer | None = None,
        assertion: Element | None = None,
        steps: tuple[Step, ...] = (),
        notes: tuple[str, ...] = (),
        signed_by_us: bool = False,
    ) -> Report:
        now = self.clock()
        ours = self.keys.published_signing if signed_by_us and self.keys is not None else ()
        certificates = ours if peer is None else peer.signing_certificates
        allowed = _USUAL if peer is None else allowed_for(peer)
        return Report(
            found_in=captured.found_in,
            kind=said.kind,
            verdict=verdict,
            summary=summary,
            binding=binding_of(captured).short,
            issuer=said.issuer or "",
            destination=said.destination or "",
            endpoint=endpoint,
            peer="" if peer is None else peer.name,
            relay_state=relay_state_of(captured, reveal=reveal),
            clock=now.isoformat(timespec="seconds"),
            facts=tuple(
                Fact(
                    name=one.name,
                    value=digest_of(one.value) if one.private and not reveal else one.value,
                    private=one.private,
                )
                for one in said.said
            ),
            times=tuple(
                Time(
                    name=moment.name,
                    value=moment.text,
                    against_our_clock="no time" if moment.instant is None else distance(moment.instant, now),
                )
                for moment in said.moments
            ),
            signatures=signatures_of(received, certificates, allowed, assertion),
            steps=steps,
            notes=notes or tuple(filter(None, [captured.note])),
        )


def _not_a_message(captured: Captured, said: Outline) -> Report:
    words = {
        "Assertion": "It is an assertion by itself; the Response around it is what would be sent.",
        "EntityDescriptor": "It is metadata, no message: `saml-slo check` reads it under metadata/.",
        "EntitiesDescriptor": "It is metadata, no message: `saml-slo check` reads it under metadata/.",
    }
    return Report(
        found_in=captured.found_in,
        kind=said.kind,
        verdict=Verdict.NOT_A_MESSAGE,
        summary=words.get(said.kind, "It is none of the messages that a sign-in or a logout takes."),
        issuer=said.issuer or "",
    )


def _summary(steps: tuple[Step, ...]) -> str:
    failed = next((step for step in steps if step.state is StepState.FAILED), None)
    if failed is not None:
        return f"{failed.message} ({failed.reason})"
    left = [step.name for step in steps if step.state is StepState.NOT_CHECKED]
    open_ = f"; what only the running server can say: {', '.join(left)}" if left else ""
    return f"We would accept it{open_}."
