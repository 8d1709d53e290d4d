"""Tests a service over HTTP, where its users reach it, before a change and after it."""

from collections.abc import Collection
from dataclasses import dataclass

import structlog

from contracts.base import Target
from contracts.deployment import Cause
from contracts.gates import Gate, Verdict, worst
from contracts.monitor import DependencyFault
from contracts.policy_parts import ValidationPolicy
from contracts.policy_tests import Tests
from contracts.results import ProbesOutput
from contracts.validator import Baseline, Suite
from services._aws.errors import AwsError
from services._chassis.clock import Clock
from services.validator.domain import judge, preflight
from services.validator.domain.facts import Absent, LiveService, NotAsked, Unknown
from services.validator.domain.operation import Result, Tested
from services.validator.domain.results import TestResult
from services.validator.domain.suites import tests_of, with_others
from services.validator.domain.weigh import Weighed, should_continue, weigh
from services.validator.ports import Applications, Databases, EcsServices, SuiteRunner, Ways

BASELINE_SECONDS = 180.0
"""Product seconds for the tests of the version before the change; what they have not seen by then is not compared."""
SUITES: tuple[Suite, ...] = ("smoke", "api")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ServiceTests:
    """Tests a service: the work that several jobs share."""

    services: EcsServices
    applications: Applications
    databases: Databases
    runner: SuiteRunner
    clock: Clock

    async def __call__(
        self,
        target: Target,
        suites: Collection[Suite],
        deadline: float,
        policy: ValidationPolicy,
        before: Baseline | None = None,
    ) -> Result:
        """Run the suites, and judge what they saw by what they saw before the change.

        What fails while the database is in trouble itself proves nothing, so that it has to be asked again.
        """
        service = await self.services.service(target)
        if not isinstance(service, LiveService):
            return _nowhere(preflight.target_gate(target, service), service)
        ways = await self._ways(target, service, suites, policy)
        if isinstance(ways, Gate):
            return Result(verdict=ways.verdict, cause=Cause.ERROR, summary=ways.detail, gates=(ways,))
        tests = with_others(policy.tests, ways.instead)

        def go_on(smoke: tuple[TestResult, ...]) -> bool:
            return should_continue(weigh(smoke, before))

        fault = await self._fault(target, policy)
        results = await self.runner.run(ways.addresses, tests, suites, deadline, go_on)
        weighed = weigh(results, before)
        gates = judge.judge(weighed, tests, before)
        verdict = worst(gate.verdict for gate in gates)
        tested = tuple(Tested.of(result) for result in results)
        if verdict is Verdict.FAIL and (fault := fault or await self._fault(target, policy)):
            gates = judge.excused(gates, fault)
            summary = f"{fault.detail}, so that what fails proves nothing: {judge.summary(weighed, gates)}"
            return Result(
                verdict=Verdict.INCONCLUSIVE, cause=Cause.DEPENDENCY, summary=summary, gates=gates, tests=tested
            )
        again = await self._again(ways, tests, weighed, deadline, before) if verdict is Verdict.PASS else ()
        return Result(
            verdict=verdict,
            cause=judge.cause(verdict),
            summary=judge.summary(weighed, gates),
            gates=gates,
            output=judge.probes((*weighed, *again), before) or _unsent(ways),
            tests=tested,
        )

    async def before_the_change(
        self, target: Target, service: LiveService, policy: ValidationPolicy
    ) -> Baseline | None:
        """Run every test on the version that is live; None where AWS does not say where users reach it."""
        ways = await self._ways(target, service, SUITES, policy)
        if isinstance(ways, Gate):
            return None
        tests = with_others(policy.tests, ways.instead)
        deadline = self.clock.now() + BASELINE_SECONDS
        results = await self.runner.run(ways.addresses, tests, SUITES, deadline, lambda _: True)
        weighed = weigh(results, None)
        return judge.baseline(results, weighed, await self._again(ways, tests, weighed, deadline))

    async def _again(
        self,
        ways: Ways,
        tests: Tests,
        seen: tuple[Weighed, ...],
        deadline: float,
        before: Baseline | None = None,
    ) -> tuple[Weighed, ...]:
        """Send tests that stumbled again and again, and return each request as a result."""
        repeated = await self.runner.repeat(ways.addresses, tests, judge.worth_repeating(seen), deadline)
        return weigh(repeated, before)

    async def _fault(self, target: Target, policy: ValidationPolicy) -> DependencyFault | None:
        """Return what is wrong with the database that the policy names; what is not known explains nothing."""
        instance = policy.monitoring.database if policy.monitoring else None
        if instance is None:
            return None
        try:
            return await self.databases.fault(target, instance, self.clock.now())
        except AwsError as error:
            log.warning("nothing is known of the database", target=str(target), why=str(error))
            return None

    async def _ways(
        self, target: Target, service: LiveService, suites: Collection[Suite], policy: ValidationPolicy
    ) -> Ways | Gate:
        """Return where each test is sent; a gate without a verdict where that, or a header of it, could not be read."""
        application = policy.application
        headers = await self.applications.headers(target, application)
        if isinstance(headers, Unknown):
            return Gate.true("header_secrets", None, samples=0, detail=headers.detail)
        paths = {test.path for suite in suites for test in tests_of(policy.tests, suite)}
        found = await self.applications.ways(target, application, service.target_groups, paths, headers)
        if isinstance(found, Unknown):
            return Gate.true("load_balancer", None, samples=0, detail=found.detail)
        return found


def _unsent(ways: Ways) -> ProbesOutput | None:
    """Return why no request was sent, where AWS did not say if one could be; None where it is known that none can."""
    unread = (found.why for found in ways.addresses.values() if isinstance(found, NotAsked) and found.unread)
    why = next(unread, "")
    return ProbesOutput(requests=0, failures=0, p95_seconds=None, unsent=why) if why else None


def _nowhere(gate: Gate, found: Absent | Unknown) -> Result:
    """Return the result where there is no service to test; its cause is an error where something failed."""
    cause = Cause.ERROR if isinstance(found, Unknown) else Cause.USAGE
    return Result(verdict=gate.verdict, cause=cause, summary=gate.detail, gates=(gate,))
