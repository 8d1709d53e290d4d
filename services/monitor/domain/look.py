"""One look at a target, by one policy: what CloudWatch and RDS reported at that moment."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from contracts.gates import Gate, Verdict
from contracts.policy_parts import MonitoringPolicy
from services.monitor.domain.alerts import UNKNOWN, Charge
from services.monitor.domain.attribute import attribution
from services.monitor.domain.blind import GONE, Blind
from services.monitor.domain.compared import is_comparison
from services.monitor.domain.comparison.span import GoodStart
from services.monitor.domain.doubt import EarlierDays, after_trouble, doubt
from services.monitor.domain.judge import judge
from services.monitor.domain.metrics import Readings
from services.monitor.domain.pending import PendingEvaluation
from services.monitor.domain.rules import Rule, RuleState, rules_of
from services.monitor.domain.service_alarms import NONE as NO_ALARMS
from services.monitor.domain.service_alarms import ServiceAlarms
from services.monitor.domain.trouble import NONE, Troubles


@dataclass(frozen=True, slots=True)
class Look:
    policy: MonitoringPolicy
    at: float
    """Product time, epoch seconds."""
    readings: Readings | None = None
    """None: CloudWatch could not be asked, or there is no such service."""
    blind: Blind = GONE
    """What is known without readings."""
    published: bool = False
    """Whether the application has published DatabaseConnectionErrors in the last hours."""
    troubles: Troubles = NONE
    """When the database that the policy names was in trouble, as this look and those before it have seen it."""
    alarms: ServiceAlarms = NO_ALARMS
    """The alarms that the service has already, as they were read last."""
    guarded: bool = False
    """Whether a critical alert may roll the newest deployment back: in a run, and for some time after it."""
    starts: tuple[GoodStart, ...] = ()
    """How the service's last good deployments started; empty where nobody needs to know, or nothing tells it."""
    days: EarlierDays | None = None
    """How the service was at this time on earlier days; None where no alert outside a run has to be judged by it."""

    @property
    def rules(self) -> tuple[Rule, ...]:
        return rules_of(self.policy.rules)

    def charge(self, rule: Rule, state: RuleState) -> Charge:
        """Return whose a rule is that is in this state, and outside a run what speaks against going back for it."""
        if self.readings is None:
            return UNKNOWN
        whose = attribution(rule, state, self.readings)
        against = None
        if self.days is not None and state.verdict == "broken" and whose == "new-version":
            against = after_trouble(self.troubles, state.until)
            against = against or doubt(rule, state, self.readings, self.rules, self.alarms, self.days)
        return Charge(whose, self.readings.service.rollout, against)

    def judge(self, pending: PendingEvaluation, seen_at: float | None) -> tuple[Gate, ...] | None:
        """Return the gates of an evaluation, or None while evidence may still come.

        ``seen_at``: the time of the last look with readings, in epoch seconds; None where there was none.
        """
        return judge(
            pending,
            self.rules,
            self.readings or replace(self.blind, seen_at=seen_at or 0.0),
            self.at,
            database_published=self.published,
            troubles=self.troubles,
            comparison=self.policy.comparison,
            alarms=self.alarms,
            starts=self.starts,
        )

    def finds_worse(self, pending: Iterable[PendingEvaluation]) -> bool:
        """Return whether an evaluation fails by a comparison: then earlier starts of the service may explain it."""
        answers = (self.judge(waiting, self.at) or () for waiting in pending)
        return any(is_comparison(gate) and gate.verdict is Verdict.FAIL for gates in answers for gate in gates)
