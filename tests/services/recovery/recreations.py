"""Snapshots of services of several kinds, and what of them is found, for tests of making them again."""

from datetime import UTC, datetime
from typing import Any

from services.recovery.domain.recreation.recreate_parts import OF_OTHERS, Part
from services.recovery.domain.recreation.recreate_plan import Found, RecreationPlan, Seen, parts_of, plan_recreation
from services.recovery.domain.snapshots.snapshot import Snapshot
from tests.services.recovery.harness import TARGET

NOW = datetime(2026, 1, 12, 15, 0, tzinfo=UTC)
SECRET = "correct-horse-battery"
ELB = "arn:aws:elasticloadbalancing:us-west-2:123456789012"
BALANCER = f"{ELB}:loadbalancer/app/main/aaa"
WEB, ADMIN = (f"{ELB}:targetgroup/{name}/{end}" for name, end in (("web", "b0b"), ("admin", "c0c")))
LISTENER = f"{ELB}:listener/app/main/aaa/ddd"
RULE = f"{ELB}:listener-rule/app/main/aaa/ddd/eee"
VERSION = "arn:aws:ecs:us-west-2:123456789012:task-definition/backend:7"
IMAGE = "123456789012.dkr.ecr.us-west-2.amazonaws.com/backend@sha256:" + "a" * 64
POLICY = "arn:aws:autoscaling:us-west-2:123456789012:scalingPolicy:1:resource/ecs/service/c/s:policyName/up"
MAP = "arn:aws:servicediscovery:us-west-2:123456789012"
SPACE = {"Id": "ns-0a1", "Arn": f"{MAP}:namespace/ns-0a1", "Name": "court.internal", "Type": "DNS_PRIVATE"}
CONNECTED = {"Id": "ns-0b2", "Arn": f"{MAP}:namespace/ns-0b2", "Name": "internal", "Type": "HTTP"}
REGISTRY: dict[str, Any] = {
    "Id": "srv-0c3", "Arn": f"{MAP}:service/srv-0c3", "Name": "backend", "NamespaceId": "ns-0a1", "Type": "DNS_HTTP",
    "DnsConfig": {"RoutingPolicy": "MULTIVALUE", "DnsRecords": [{"Type": "A", "TTL": 60}]},
    "HealthCheckCustomConfig": {"FailureThreshold": 1}, "Namespace": SPACE,
}  # fmt: skip
SCALED = {
    "ServiceNamespace": "ecs",
    "ResourceId": f"service/{TARGET.cluster}/{TARGET.service}",
    "ScalableDimension": "ecs:service:DesiredCount",
}
DEFINITION: dict[str, Any] = {
    "taskDefinitionArn": VERSION,
    "family": "backend",
    "revision": 7,
    "status": "ACTIVE",
    "containerDefinitions": [
        {
            "name": "web",
            "image": IMAGE,
            "environment": [{"name": "TOKEN", "value": SECRET}],
            "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/ecs/backend"}},
        }
    ],
}
SERVICE: dict[str, Any] = {
    "serviceName": TARGET.service,
    "desiredCount": 6,
    "launchType": "FARGATE",
    "platformVersion": "1.4.0",
    "taskDefinition": VERSION,
    "schedulingStrategy": "REPLICA",
    "healthCheckGracePeriodSeconds": 60,
    "deploymentConfiguration": {"minimumHealthyPercent": 100, "maximumPercent": 200},
    "loadBalancers": [
        {"targetGroupArn": WEB, "containerName": "web", "containerPort": 80},
        {"targetGroupArn": ADMIN, "containerName": "web", "containerPort": 81},
    ],
    "serviceRegistries": [{"registryArn": REGISTRY["Arn"]}],
    "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1"], "securityGroups": ["sg-0old"]}},
    "tags": [{"key": "team", "value": "court"}, {"key": "aws:ecs:x", "value": "y"}],
    "deployments": [
        {
            "id": "ecs-svc/1",
            "status": "PRIMARY",
            "taskDefinition": VERSION,
            "serviceConnectConfiguration": {"enabled": True, "namespace": "internal"},
        }
    ],
}


def group(arn: str) -> dict[str, Any]:
    name = arn.split("/")[1]
    return {
        "TargetGroupArn": arn, "TargetGroupName": name, "Protocol": "HTTP", "Port": 80, "VpcId": "vpc-1",
        "HealthCheckProtocol": "HTTP", "HealthCheckPath": "/health", "Matcher": {"HttpCode": "200"},
        "TargetType": "ip", "LoadBalancerArns": [BALANCER],
    }  # fmt: skip


def forward(arn: str) -> list[dict[str, Any]]:
    return [{"Type": "forward", "TargetGroupArn": arn}]


AROUND: dict[str, Any] = {
    "log_groups": [{"logGroupName": "/ecs/backend", "retentionInDays": 30}],
    "security_groups": [
        {
            "GroupId": "sg-0old", "GroupName": "backend", "Description": "tasks", "VpcId": "vpc-1",
            "IpPermissions": [
                {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [], "Ipv6Ranges": [],
                 "UserIdGroupPairs": [{"GroupId": "sg-0old", "UserId": "123456789012"}, {"GroupId": "sg-0lb"}]}
            ],
            "IpPermissionsEgress": [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}],
        }
    ],
    "referring_groups": [
        {"GroupId": "sg-0db", "GroupName": "database", "IpPermissions": [
            {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "UserIdGroupPairs": [{"GroupId": "sg-0old"}]}
        ]}
    ],
    "target_groups": [group(WEB), group(ADMIN)],
    "target_group_attributes": {WEB: [{"Key": "deregistration_delay.timeout_seconds", "Value": "30"}], ADMIN: []},
    "load_balancers": [{"LoadBalancerArn": BALANCER, "LoadBalancerName": "main"}],
    "listeners": [
        {"ListenerArn": LISTENER, "LoadBalancerArn": BALANCER, "Port": 443, "Protocol": "HTTPS",
         "Certificates": [{"CertificateArn": "arn:cert"}], "DefaultActions": forward(WEB)}
    ],
    "rules": {
        LISTENER: [
            {"RuleArn": RULE, "Priority": "5", "IsDefault": False, "Actions": forward(ADMIN), "Conditions": [
                {"Field": "path-pattern", "Values": ["/admin/*"], "PathPatternConfig": {"Values": ["/admin/*"]}}
            ]},
            {"RuleArn": RULE + "f", "Priority": "default", "IsDefault": True, "Actions": forward(WEB)},
        ]
    },
    "scalable_targets": [{**SCALED, "MinCapacity": 2, "MaxCapacity": 9, "RoleARN": "arn:aws:iam::1:role/x"}],
    "scaling_policies": [
        {**SCALED, "PolicyName": "up", "PolicyARN": POLICY, "PolicyType": "TargetTrackingScaling", "Alarms": [],
         "TargetTrackingScalingPolicyConfiguration": {
             "TargetValue": 100.0,
             "PredefinedMetricSpecification": {
                 "PredefinedMetricType": "ALBRequestCountPerTarget",
                 "ResourceLabel": "app/main/aaa/targetgroup/web/b0b",
             }}}
    ],
    "scheduled_actions": [
        {**SCALED, "ScheduledActionName": "morning", "Schedule": "cron(0 7 * * ? *)",
         "ScalableTargetAction": {"MinCapacity": 4}},
        {**SCALED, "ScheduledActionName": "past", "Schedule": "at(2025-01-01T00:00:00)",
         "ScalableTargetAction": {"MinCapacity": 9}},
    ],
    "alarms": [
        {"AlarmName": "web-5xx", "AlarmArn": "arn:alarm:web-5xx", "StateValue": "OK", "Namespace": "AWS/ApplicationELB",
         "MetricName": "HTTPCode_Target_5XX_Count", "Period": 60, "Threshold": 5.0, "EvaluationPeriods": 1,
         "Dimensions": [{"Name": "TargetGroup", "Value": "targetgroup/web/b0b"}]},
        {"AlarmName": "busy", "AlarmArn": "arn:alarm:busy", "MetricName": "CPUUtilization", "AlarmActions": [POLICY]},
    ],
    "composite_alarms": [{"AlarmName": "all", "AlarmRule": 'ALARM("web-5xx") OR ALARM("busy")'}],
    "registries": [REGISTRY],
    "connect_namespace": CONNECTED,
    "dashboards": {"surefoot-c-_-s": '{"widgets": ["targetgroup/web/b0b"]}'},
}  # fmt: skip


def snapshot(
    service: dict[str, Any] | None = None, around: dict[str, Any] | None = None, without: tuple[str, ...] = ()
) -> Snapshot:
    """Return a snapshot; ``without`` names what it lacks of the service and of its surroundings."""
    return Snapshot(
        snapshot_id="20260112_143000_aaaaaaaa",
        target=TARGET,
        taken_at=NOW,
        purpose="after-change",
        service={key: value for key, value in (SERVICE | (service or {})).items() if key not in without},
        task_definition=DEFINITION,
        surroundings={key: value for key, value in (AROUND | (around or {})).items() if key not in without},
    )


def daemon() -> Snapshot:
    """Return a DAEMON service on EC2, without a network of its own and without a load balancer."""
    none = ("networkConfiguration", "loadBalancers", "desiredCount", "healthCheckGracePeriodSeconds",
            "serviceRegistries", "registries",
            "security_groups", "referring_groups", "target_groups", "listeners", "rules", "load_balancers",
            "scalable_targets", "scaling_policies", "scheduled_actions", "alarms", "composite_alarms")  # fmt: skip
    return snapshot({"schedulingStrategy": "DAEMON", "launchType": "EC2"}, without=none)


def worker() -> Snapshot:
    """Return a service on Spot that no load balancer sends requests."""
    none = ("launchType", "target_groups", "listeners", "rules", "load_balancers", "target_group_attributes")
    strategy = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
    return snapshot({"loadBalancers": [], "capacityProviderStrategy": strategy}, without=none)


def planned(taken: Snapshot, found: dict[str, Seen] | None = None, needs: Any = ()) -> RecreationPlan:
    """Return the plan where nothing is there but what others own and what is ``found``, by the keys of parts."""
    parts = parts_of(taken, NOW)
    seen: dict[str, Seen] = {part.key: Found(part.ref, part.body) for part in parts if part.kind in OF_OTHERS}
    return plan_recreation(taken, parts, dict.fromkeys(part.key for part in parts) | seen | (found or {}), needs)


def there(taken: Snapshot) -> dict[str, Seen]:
    """Return what is found where nothing is gone."""
    return {part.key: Found(part.ref, part.body, balanced=True) for part in parts_of(taken, NOW)}


def part(taken: Snapshot, key: str) -> Part:
    return next(part for part in parts_of(taken, NOW) if part.key == key)
