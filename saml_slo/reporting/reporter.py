"""The one place that logs and counts what happened; nothing in it can fail what it tells of."""

from __future__ import annotations

import structlog

from saml_slo.delivery.failure import DeliveryFailed
from saml_slo.delivery.fan_out import Outcome
from saml_slo.errors import Reason
from saml_slo.lines import about_logout
from saml_slo.logout.changes import Rest
from saml_slo.logout.transaction import Initiator, Kind, State, Target
from saml_slo.reporting.metrics import Metrics
from saml_slo.store.happened import (
    ApplicationJoined,
    ApplicationLeft,
    EndedElsewhere,
    Happened,
    LogoutBegun,
    OperatorActed,
    SessionExpired,
    SessionRegistered,
    SignInRecorded,
    TargetsChanged,
    Told,
)

# The parts of the web whose refusals are counted apart, by the first word of the name of a blueprint.
FAMILIES = frozenset({"saml", "idp", "login", "logout", "receipts", "forward", "status", "api", "console"})
_log = structlog.get_logger("saml_slo.reporting")
_AT_ONCE = (State.CONFIRMED, State.UNSUPPORTED, State.WAIVED)  # states in which a target may begin


class Reporter:
    """Logs what happened, and counts it once somebody wants that (`measure`)."""

    def __init__(self) -> None:
        self.metrics: Metrics | None = None

    def measure(self, metrics: Metrics) -> None:
        """Count from now on."""
        self.metrics = metrics

    def committed(self, happened: Happened) -> None:
        """Tell of a commit; the store calls this."""
        match happened:
            case LogoutBegun():
                about_logout(happened.logout, happened.reference)
                _log.info(
                    happened.WORD,
                    initiator=happened.initiator,
                    reason_given=happened.reason,
                    by=happened.by or None,
                    sessions=happened.sessions,
                    targets=len(happened.targets),
                )
                self._settled(happened)
            case TargetsChanged():
                about_logout(happened.logout, happened.reference)
                _log.info(
                    happened.WORD,
                    results=[f"{one.kind} {one.peer}: {one.state}".replace(" :", ":") for one in happened.targets],
                    rest=happened.rest,
                )
                self._settled(happened)
            case SignInRecorded():
                _log.info(happened.WORD, session=happened.session, connection=happened.connection)
            case OperatorActed():
                _log.info(happened.WORD, operator=happened.operator, action=happened.action, subject=happened.subject)
            case SessionExpired():
                _log.info(happened.WORD, session=happened.session)
            case ApplicationJoined() | ApplicationLeft() | SessionRegistered():
                _log.info(happened.WORD, session=happened.session, application=happened.application)
            case EndedElsewhere():
                _log.info(happened.WORD, session=happened.session, logout=happened.logout)
        if self.metrics is not None:
            _count(happened, self.metrics)

    @staticmethod
    def _settled(happened: LogoutBegun | TargetsChanged) -> None:
        if happened.rest is Rest.PARTIAL:
            _log.warning("logout_partial")

    def delivered(self, target: Target, outcome: Outcome) -> None:
        """Tell how a call to a peer went."""
        if self.metrics is None:
            return
        result = outcome.result
        answer = str(result.why) if isinstance(result, DeliveryFailed) else "answered"
        method = "" if target.request is None else target.request.method
        self.metrics.deliveries.labels(method, answer).observe(outcome.seconds)
        self.metrics.peer_deliveries.labels(target.kind, self.metrics.peer(target.peer)).observe(outcome.seconds)

    def refused(self, reason: Reason, blueprint: str | None, cause: str = "") -> None:
        """Tell that a request was refused or failed; `cause` is that of a failed store."""
        if self.metrics is None:
            return
        family = (blueprint or "").partition("_")[0]
        self.metrics.refused.labels(reason, family if family in FAMILIES else "other").inc()
        if cause:
            self.metrics.store_failures.labels(cause).inc()

    def checked(self, answer: str) -> None:
        """Tell of a status check: alive, over or limited."""
        if self.metrics is not None:
            self.metrics.status_checks.labels(answer).inc()


def _count(happened: Happened, metrics: Metrics) -> None:  # noqa: C901 - one case for each record
    match happened:
        case LogoutBegun():
            metrics.logouts_begun.labels(happened.initiator).inc()
            how = "expired" if happened.initiator is Initiator.TIMEOUT else "logout"
            metrics.sessions_ended.labels(how).inc(happened.sessions)
            _count_targets(tuple(one for one in happened.targets if one.state in _AT_ONCE), metrics)
        case TargetsChanged():
            _count_targets(happened.targets, metrics)
        case SignInRecorded():
            metrics.sign_ins.labels(metrics.peer(happened.connection)).inc()
            if happened.opened:
                metrics.sessions_opened.labels("sign_in").inc()
        case SessionRegistered():
            metrics.sessions_opened.labels("api").inc()
            metrics.joined.labels(metrics.peer(happened.application)).inc()
        case ApplicationJoined():
            metrics.joined.labels(metrics.peer(happened.application)).inc()
        case ApplicationLeft():
            if happened.ended:
                metrics.sessions_ended.labels("application").inc()
        case SessionExpired():
            metrics.sessions_ended.labels("expired").inc()
        case OperatorActed():
            metrics.operator_actions.labels(happened.action).inc()
        case EndedElsewhere():
            pass  # its logout counted it when it began
    if isinstance(happened, LogoutBegun | TargetsChanged) and happened.rest is not None:
        metrics.logouts_settled.labels(happened.initiator, happened.rest).inc()


def _count_targets(targets: tuple[Told, ...], metrics: Metrics) -> None:
    for one in targets:
        peer = "" if one.kind is Kind.SESSION else metrics.peer(one.peer)
        metrics.targets.labels(one.kind, peer, one.method or "", one.state).inc()
