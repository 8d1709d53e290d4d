"""What is named by the parts that are made, belongs to others, and must be there: certificates, keys, topics, volumes.

Others own it, so that it is never made; whoever is asked to make a listener with a certificate that is gone refuses.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from services.recovery.domain.readiness import Need
from services.recovery.domain.recreation.recreate_parts import Kind, Part, capital


class Thing(StrEnum):
    """What can be asked for by its id or ARN."""

    CERTIFICATE = "certificate"
    KEY = "KMS key"
    TOPIC = "topic"
    FILE_SYSTEM = "file system"
    ACCESS_POINT = "access point"
    MOUNT_TARGET = "mount target"


WITHOUT_IT: Mapping[Thing, str] = {Thing.TOPIC: "alarms that notify it tell nobody"}
"""Thing that a service runs without → what happens then, a clause."""


@dataclass(frozen=True, slots=True)
class Named:
    """One thing that parts name."""

    thing: Thing
    id: str
    """Its id or ARN; of a mount target that of its file system."""
    hosts: tuple[str, ...] = ()
    """The host names for which rules of a listener with this certificate are made."""
    subnets: tuple[str, ...] = ()
    """The subnets whose tasks reach a mount target; none where the tasks have no network of their own."""

    @property
    def what(self) -> str:
        if self.thing is Thing.MOUNT_TARGET:
            where = " in a zone of its subnets" if self.subnets else ""
            return f"a mount target of the file system {self.id}{where}"
        return f"the {self.thing} {self.id}"

    @property
    def region(self) -> str:
        """Return the region in its ARN; empty where it has none."""
        return self.id.split(":")[3] if self.id.startswith("arn:") and self.id.count(":") >= 5 else ""

    def need(self, there: bool | None, why: str = "", beware: str = "") -> Need:
        return Need(self.what, there, why, beware=beware, without_it=WITHOUT_IT.get(self.thing, ""))


def named_in(parts: Sequence[Part]) -> tuple[Named, ...]:
    """Return what the parts that are made name, each once. ``parts``: with the ids that AWS has now."""
    found: dict[tuple[Thing, str], Named] = {}
    for each in _named(parts):
        known = found.setdefault((each.thing, each.id), each)
        found[each.thing, each.id] = replace(known, hosts=tuple(dict.fromkeys((*known.hosts, *each.hosts))))
    return tuple(found.values())


def _named(parts: Sequence[Part]) -> Iterator[Named]:
    network = next((part.body.get("networkConfiguration") for part in parts if part.kind is Kind.SERVICE), None)
    subnets = tuple(((network or {}).get("awsvpcConfiguration") or {}).get("subnets") or ())
    for part in parts:
        match part.kind:
            case Kind.LISTENER:
                hosts = tuple(_hosts(parts, part.ref))
                yield from (Named(Thing.CERTIFICATE, arn, hosts) for arn in _certificates(part))
            case Kind.ALARM | Kind.COMPOSITE_ALARM:
                yield from (Named(Thing.TOPIC, arn) for arn in _topics(part))
            case Kind.TASK_DEFINITION:
                yield from _volumes(part, subnets)
            case _:
                pass
        yield from (Named(Thing.KEY, key) for key in _keys(part.body))


def _certificates(listener: Part) -> Iterator[str]:
    for each in listener.body.get("Certificates", ()):
        yield str(each["CertificateArn"])


def _hosts(parts: Iterable[Part], listener: str) -> Iterator[str]:
    for part in parts:
        if part.kind is Kind.LISTENER_RULE and part.body["ListenerArn"] == listener:
            for condition in part.body["Conditions"]:
                yield from (condition.get("HostHeaderConfig") or {}).get("Values") or ()


def _topics(alarm: Part) -> Iterator[str]:
    for name in ("AlarmActions", "OKActions", "InsufficientDataActions"):
        yield from (arn for arn in alarm.body.get(name, ()) if ":sns:" in arn)


def _volumes(definition: Part, subnets: tuple[str, ...]) -> Iterator[Named]:
    for volume in definition.body.get("volumes") or ():
        settings = volume.get("efsVolumeConfiguration") or {}
        if not settings.get("fileSystemId"):
            continue
        system = str(settings["fileSystemId"])
        yield Named(Thing.FILE_SYSTEM, system)
        yield Named(Thing.MOUNT_TARGET, system, subnets=subnets)
        point = (settings.get("authorizationConfig") or {}).get("accessPointId")
        if point:
            yield Named(Thing.ACCESS_POINT, str(point))


def _keys(value: Any) -> Iterator[str]:
    """Yield each key that a call names: of log groups and of volumes that ECS makes."""
    if isinstance(value, Mapping):
        for name, part in value.items():
            if name == "kmsKeyId" and isinstance(part, str) and part:
                yield part
            else:
                yield from _keys(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _keys(part)


def uncovered(hosts: Iterable[str], names: Iterable[str]) -> tuple[str, ...]:
    """Return the hosts that none of a certificate's names stands for; ``*.`` is one label (RFC 6125)."""
    known = {name.lower() for name in names}
    return tuple(host for host in hosts if not {host.lower(), f"*.{host.lower().partition('.')[2]}"} & known)


def mounted(named: Named, available: frozenset[str], zones: frozenset[str]) -> Need:
    """Return whether tasks reach a file system: they mount it in their own zone.

    ``available``: the zones in which a mount target is available; ``zones``: those of its subnets, none where its tasks
    have no network of their own. Source: Amazon EFS User Guide, "Managing mount targets".
    """
    without = sorted(zones - available)
    if not available or (zones and not zones & available):
        return named.need(there=False)
    lacks = f"the file system {named.id} has no mount target in {', '.join(without)}: tasks there do not start"
    return named.need(there=True, beware=lacks if without else "")


def obstacles(needs: Iterable[Need]) -> Iterator[str]:
    """Yield a sentence for each thing without which the service could not run, with what to do."""
    for need in needs:
        if need.there is False and not need.without_it:
            yield f"{capital(need.what)} {need.why or 'is not there'}: {_remedy(need.what)}."


def not_known(needs: Sequence[Need]) -> tuple[str, ...]:
    return tuple(f"Whether {need.what} is there is not known: {need.why}." for need in needs if need.there is None)


def cautions(needs: Sequence[Need]) -> Iterator[str]:
    """Yield a sentence for each thing that is not known, that only surprises, or that it can run without."""
    yield from not_known(needs)
    for need in needs:
        if need.there is False and need.without_it:
            yield f"{capital(need.what)} is not there: {need.without_it} until it is made."
        if need.beware:
            yield f"{capital(need.beware)}."


_ANOTHER = "or say what stands for it (--map OLD=NEW), and ask again"
_OF_OTHERS = "make it first, as your infrastructure code has it, under the same name, and ask again"
_REMEDIES = {
    "the cluster": _OF_OTHERS,
    "the load balancer": _OF_OTHERS,
    "the network": _OF_OTHERS,
    "the listener": _OF_OTHERS,
    "the capacity provider": _OF_OTHERS,
    "an instance": _OF_OTHERS,
    "the image": "push it again, or name a snapshot whose image is there",
    "the certificate": f"let ACM issue one in this region, or import it, {_ANOTHER}",
    "the KMS key": f"make it usable, {_ANOTHER}",
    "the file system": f"restore it from a backup or a replica, {_ANOTHER}",
    "the access point": f"make one, {_ANOTHER}",
}
"""What something is called, or begins with → what to do about it, since it is not made again."""


def _remedy(what: str) -> str:
    return next(
        (remedy for begin, remedy in _REMEDIES.items() if what.startswith(begin)), "make it first, and ask again"
    )
