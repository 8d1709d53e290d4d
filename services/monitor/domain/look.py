"""One look at a target, by one policy: what CloudWatch and RDS reported at that moment."""

from dataclasses import dataclass

from contracts.gates import Gate
from contracts.monitor import DependencyFault
from contracts.policy import MonitoringPolicy
from services.monitor.domain.judge import PendingEvaluation, judge
from services.monitor.domain.metrics import Readings
from services.monitor.domain.rules import Rule, rules_of


@dataclass(frozen=True, slots=True)
class Look:
    policy: MonitoringPolicy
    at: float
    """Product time, epoch seconds."""
    readings: Readings | None = None
    """None: CloudWatch could not be asked, or there is no such service."""
    published: bool = False
    """Whether the application has published DatabaseConnectionErrors in the last hours."""
    fault: DependencyFault | None = None
    """What is wrong with the database that the policy names."""

    @property
    def rules(self) -> tuple[Rule, ...]:
        return rules_of(self.policy.rules)

    def judge(self, pending: PendingEvaluation) -> tuple[Gate, ...] | None:
        """Return the gates of an evaluation, or None while evidence may still come."""
        return judge(
            pending,
            self.rules,
            self.readings,
            self.at,
            database_published=self.published,
            fault=self.fault,
            comparison=self.policy.comparison,
        )
