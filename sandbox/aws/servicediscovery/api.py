"""Cloud Map's API over namespaces, services and instances (Cloud Map API reference)."""

from typing import Any

from sandbox.aws.errors import AwsFault
from sandbox.aws.pages import page
from sandbox.aws.servicediscovery.registry import HTTP, PRIVATE, PUBLIC, CloudMap, MapService, Namespace

TARGET = "Route53AutoNaming_v20170314"
"""The prefix of ``X-Amz-Target``."""
MOST_RESULTS = 100
SETTINGS = ("Description", "DnsConfig", "HealthCheckConfig", "HealthCheckCustomConfig")

Answer = dict[str, Any]


class ServiceDiscovery:
    """``call`` answers one operation. What others answer for later, an operation's end, is over at once here."""

    def __init__(self, cloud_map: CloudMap, account: str) -> None:
        self._map = cloud_map
        self._account = account
        self._operations = {
            "CreateHttpNamespace": lambda request, now: self._create_namespace(request, now, HTTP),
            "CreatePrivateDnsNamespace": lambda request, now: self._create_namespace(request, now, PRIVATE),
            "CreatePublicDnsNamespace": lambda request, now: self._create_namespace(request, now, PUBLIC),
            "GetNamespace": self._get_namespace,
            "ListNamespaces": self._list_namespaces,
            "DeleteNamespace": self._delete_namespace,
            "GetOperation": self._get_operation,
            "CreateService": self._create_service,
            "GetService": self._get_service,
            "ListServices": self._list_services,
            "DeleteService": self._delete_service,
            "RegisterInstance": self._register_instance,
            "DeregisterInstance": self._deregister_instance,
            "ListInstances": self._list_instances,
        }

    def call(self, operation: str, request: Answer, now: float) -> Answer:
        """Answer one call. Raise ``AwsFault`` for what Cloud Map would refuse and for what isn't simulated."""
        if operation not in self._operations:
            raise AwsFault("InvalidInput", f"The simulated Cloud Map has no {operation}.")
        return self._operations[operation](request, now)

    def _create_namespace(self, request: Answer, now: float, kind: str) -> Answer:
        if kind == PRIVATE and not request.get("Vpc"):
            raise AwsFault("InvalidInput", "A private DNS namespace needs a VPC.")
        made = self._map.add_namespace(request["Name"], kind, now, request.get("Description", ""))
        return {"OperationId": self._map.begin("CREATE_NAMESPACE", "NAMESPACE", made.id, now)}

    def _get_namespace(self, request: Answer, _now: float) -> Answer:
        return {"Namespace": self._namespace(self._map.namespace(request["Id"]))}

    def _list_namespaces(self, request: Answer, _now: float) -> Answer:
        known = [
            each
            for each in self._map.namespaces.values()
            if _passes(request, {"NAME": each.name, "TYPE": each.type, "HTTP_NAME": each.name})
        ]
        return _pages("Namespaces", [self._namespace(each) for each in known], request)

    def _delete_namespace(self, request: Answer, now: float) -> Answer:
        namespace = self._map.namespace(request["Id"])
        if any(service.namespace is namespace for service in self._map.services.values()):
            raise AwsFault("ResourceInUse", f"Namespace {namespace.id} has services; delete them first.")
        del self._map.namespaces[namespace.id]
        return {"OperationId": self._map.begin("DELETE_NAMESPACE", "NAMESPACE", namespace.id, now)}

    def _get_operation(self, request: Answer, _now: float) -> Answer:
        found = self._map.operations.get(request["OperationId"])
        if found is None:
            raise AwsFault("OperationNotFound", f"Operation not found: {request['OperationId']}")
        return {"Operation": found}

    def _create_service(self, request: Answer, now: float) -> Answer:
        dns = request.get("DnsConfig") or {}
        of = request.get("NamespaceId") or dns.get("NamespaceId")
        if not of:
            raise AwsFault("InvalidInput", "A namespace must be given.")
        namespace = self._map.namespace(of)
        if dns.get("DnsRecords") and namespace.type == HTTP:
            raise AwsFault("InvalidInput", "A service in an HTTP namespace takes no DnsConfig.")
        settings = {name: request[name] for name in SETTINGS if request.get(name)}
        return {"Service": self._service(self._map.add(request["Name"], namespace, settings, now))}

    def _get_service(self, request: Answer, _now: float) -> Answer:
        return {"Service": self._service(self._map.service(request["Id"]))}

    def _list_services(self, request: Answer, _now: float) -> Answer:
        known = [each for each in self._map.services.values() if _passes(request, {"NAMESPACE_ID": each.namespace.id})]
        shown = [self._service(each) for each in known]
        for each in shown:
            del each["NamespaceId"]  # Cloud Map API reference, ServiceSummary: it has none
        return _pages("Services", shown, request)

    def _delete_service(self, request: Answer, _now: float) -> Answer:
        service = self._map.service(request["Id"])
        if service.instances:
            raise AwsFault("ResourceInUse", f"Service {service.id} contains registered instances; delete them first.")
        del self._map.services[service.id]
        return {}

    def _register_instance(self, request: Answer, now: float) -> Answer:
        service = self._map.service(request["ServiceId"])
        service.instances[request["InstanceId"]] = dict(request["Attributes"])
        return {"OperationId": self._map.begin("REGISTER_INSTANCE", "INSTANCE", request["InstanceId"], now)}

    def _deregister_instance(self, request: Answer, now: float) -> Answer:
        service = self._map.service(request["ServiceId"])
        if service.instances.pop(request["InstanceId"], None) is None:
            raise AwsFault("InstanceNotFound", f"Instance not found: {request['InstanceId']}")
        return {"OperationId": self._map.begin("DEREGISTER_INSTANCE", "INSTANCE", request["InstanceId"], now)}

    def _list_instances(self, request: Answer, _now: float) -> Answer:
        known = self._map.service(request["ServiceId"]).instances
        shown = [{"Id": id_, "Attributes": attributes} for id_, attributes in known.items()]
        return {"ResourceOwner": self._account, **_pages("Instances", shown, request)}

    def _namespace(self, record: Namespace) -> Answer:
        properties: Answer = {"HttpProperties": {"HttpName": record.name}}
        if record.type != HTTP:
            properties["DnsProperties"] = {"HostedZoneId": f"Z{record.id[3:].upper()}", "SOA": {"TTL": 15}}
        return {
            "Id": record.id,
            "Arn": record.arn,
            "ResourceOwner": self._account,
            "Name": record.name,
            "Type": record.type,
            "Description": record.description,
            "ServiceCount": sum(each.namespace is record for each in self._map.services.values()),
            "Properties": properties,
            "CreateDate": record.created,
        }

    def _service(self, record: MapService) -> Answer:
        shown = dict(record.settings)
        if "DnsConfig" in shown:
            dns = {"RoutingPolicy": "MULTIVALUE", **shown["DnsConfig"]}
            shown["DnsConfig"] = {**dns, "NamespaceId": record.namespace.id}
        return {
            "Id": record.id,
            "Arn": record.arn,
            "ResourceOwner": self._account,
            "Name": record.name,
            "NamespaceId": record.namespace.id,
            "InstanceCount": len(record.instances),
            "Type": "DNS_HTTP" if record.record_types else "HTTP",
            "CreateDate": record.created,
            **shown,
        }


def _passes(request: Answer, values: dict[str, str]) -> bool:
    """Return whether a record passes all filters; a filter of another name lets everything through."""
    for wanted in request.get("Filters") or ():
        value = values.get(wanted["Name"])
        if value is not None and value not in wanted["Values"]:
            return False
    return True


def _pages(key: str, shown: list[Answer], request: Answer) -> Answer:
    asked = {"nextToken": request.get("NextToken"), "maxResults": request.get("MaxResults") or MOST_RESULTS}
    these, more = page(shown, asked, MOST_RESULTS)
    return {key: these, **({"NextToken": more["nextToken"]} if more else {})}
