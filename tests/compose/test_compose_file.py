"""What docker-compose.yml and its companions must say; no Docker is needed to read them."""

import json
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from contracts.topics import SERVICES
from sandbox.apache_kafka import VERSION
from sandbox.aws.accounts import ACCOUNT, REGION
from sandbox.stack import REQUIRED_VARIABLES
from services._chassis.access.served import Served
from services._chassis.http import KEEP_ALIVE_SECONDS
from services._chassis.http_protocol import DEADLINES
from services._chassis.oversights import misspelt
from services._chassis.settings import Settings
from services._chassis.signing_keys import SIGNING
from services._policy.environment import CLUSTER, RETRIES, SERVICE, SETTINGS, URL, URLS, environment_of
from services._policy.load import load
from services._policy.read import read_path

ROOT = Path(__file__).parents[2]
READ_ONLY_EXCEPTIONS = {"kafka"}
"""Its start writes the configuration to where Kafka is installed."""
THIRD_PARTY = {"kafka": "KAFKA_IMAGE", "redis": "REDIS_IMAGE", "front-door": "CADDY_IMAGE"}
PINNED = re.compile(r"^\$\{[A-Z_]+:-[a-z/]+:\d+\.\d+\.\d+(-[a-z0-9-]+)?\}$")


def read(name: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / name).read_text())
    return document


def seconds(text: str) -> float:
    return float(text.removesuffix("s"))


COMPOSE = read("docker-compose.yml")
SANDBOX = read("deploy/sandbox.yml")
CONTAINERS: dict[str, dict[str, Any]] = COMPOSE["services"] | {"aws": SANDBOX["services"]["aws"]}
LASTING = {name: container for name, container in CONTAINERS.items() if name not in {"topics", "keys"}}
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
ENVIRONMENT: dict[str, str | None] = COMPOSE["x-service"]["environment"]


OF_A_POLICY = {name.upper() for name in (*(setting.name for setting in SETTINGS), RETRIES, URL, URLS, CLUSTER, SERVICE)}
"""What the environment sets as the lowest layer of a policy."""


def settings_of(service: str) -> type[Settings]:
    settings: type[Settings] = import_module(f"services.{service}.settings").Settings
    return settings


@pytest.mark.parametrize("name", CONTAINERS)
def test_it_can_do_little(name: str) -> None:
    container = CONTAINERS[name]
    assert container["cap_drop"] == ["ALL"]
    assert container["security_opt"] == ["no-new-privileges:true"]
    assert container["read_only"] is (name not in READ_ONLY_EXCEPTIONS)
    assert container["mem_limit"]
    assert container["pids_limit"]
    assert container["logging"]["options"].keys() == {"max-size", "max-file"}


@pytest.mark.parametrize("name", LASTING)
def test_it_comes_back_by_itself_and_says_how_it_is(name: str) -> None:
    container = LASTING[name]
    assert container["restart"] == "unless-stopped"
    assert container["healthcheck"]["test"][0] == "CMD"
    assert "start_period" in container["healthcheck"]
    assert seconds(container["stop_grace_period"]) >= 20


def test_only_what_ends_by_itself_is_not_started_again() -> None:
    assert CONTAINERS["topics"]["restart"] == CONTAINERS["keys"]["restart"] == "no"


@pytest.mark.parametrize("name", [name for name in CONTAINERS if name not in THIRD_PARTY])
def test_an_image_of_ours_is_never_looked_for_in_a_registry(name: str) -> None:
    container = CONTAINERS[name]
    assert container["image"] == ("surefoot-sandbox" if name == "aws" else "surefoot")
    assert container["pull_policy"] == "never"
    assert ("build" in container) is (name in {"topics", "aws"})


@pytest.mark.parametrize(("name", "variable"), THIRD_PARTY.items())
def test_an_image_of_others_is_pinned_and_can_be_replaced(name: str, variable: str) -> None:
    image = CONTAINERS[name]["image"]
    assert PINNED.match(image), image
    assert image.startswith(f"${{{variable}:-")


def test_the_base_is_the_same_wherever_it_is_named() -> None:
    default = re.search(r"^ARG PYTHON_IMAGE=(\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert default
    for name in ("topics", "aws"):
        assert CONTAINERS[name]["build"]["args"] == {"PYTHON_IMAGE": f"${{PYTHON_IMAGE:-{default[1]}}}"}


def test_the_dockerfile_pulls_no_syntax_and_fixes_no_platform() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert "syntax=" not in text
    assert "FROM --platform" not in text


def test_the_kafka_is_the_one_that_the_tests_know() -> None:
    assert f"apache/kafka:{VERSION}}}" in CONTAINERS["kafka"]["image"]


@pytest.mark.parametrize("service", SERVICES)
def test_every_setting_of_a_service_reaches_its_container(service: str) -> None:
    settings = {name.upper() for name in settings_of(service).model_fields}
    assert settings - ENVIRONMENT.keys() == set()
    assert OF_A_POLICY - ENVIRONMENT.keys() == set()


def test_nothing_is_passed_on_that_no_service_reads() -> None:
    known = {name.upper() for service in SERVICES for name in settings_of(service).model_fields} | OF_A_POLICY
    others = {"SUREFOOT_CONFIG", "SUREFOOT_POLICY", "SUREFOOT_URL"}
    boto = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"}
    assert ENVIRONMENT.keys() - known - others - boto == set()


def test_all_seven_are_there_and_alike() -> None:
    for service in SERVICES:
        container = CONTAINERS[service]
        assert container["command"] == ["python", "-m", f"services.{service}"]
        own = {"command", "volumes"}
        assert {key: value for key, value in container.items() if key not in own} == {
            key: value for key, value in COMPOSE["x-service"].items() if key not in own
        }
        assert container["volumes"] == [*COMPOSE["x-service"]["volumes"], f"keys-{service}:/etc/surefoot/key:ro"]


def test_each_service_has_its_own_key_and_nobody_else_s() -> None:
    made = {volume.partition(":")[0] for volume in CONTAINERS["keys"]["volumes"]}
    assert made == {"keys", "keys-trusted", *(f"keys-{party}" for party in SIGNING)}
    assert made < COMPOSE["volumes"].keys()
    holders = re.search(r"for holder in ([a-z ]+); do", (ROOT / "Dockerfile").read_text())
    assert holders, "a new volume has the owner and the mode of the directory in the image"
    assert {f"keys-{holder}" for holder in holders[1].split()} | {"keys"} == made
    assert CONTAINERS["keys"]["network_mode"] == "none"
    for name, container in CONTAINERS.items():
        held = {volume.partition(":")[0] for volume in container.get("volumes", ()) if volume.startswith("keys")}
        if name != "keys":
            assert held == ({"keys-trusted", f"keys-{name}"} if name in SERVICES else set())


def test_whoever_runs_the_services_owns_their_keys() -> None:
    """Private keys are for their owner only, and ``SUREFOOT_UID`` may be another one than at the last start."""
    user = "${SUREFOOT_UID:-10001}"
    assert re.search(r"^RUN useradd .*--uid 10001 ", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert {CONTAINERS[service]["user"] for service in SERVICES} == {user}
    script = CONTAINERS["keys"]["entrypoint"][2]
    assert script.endswith(f"; chown -R {user} /keys")
    for overlay in ("profile", "roles"):
        [named] = {container["user"] for container in read(f"deploy/{overlay}.yml")["services"].values()}
        assert named.startswith("${SUREFOOT_UID:?"), "without it the services would not be the keys' owner"


def test_nobody_has_rights_beyond_what_is_said() -> None:
    added = {name: container["cap_add"] for name, container in CONTAINERS.items() if "cap_add" in container}
    assert added == {"keys": ["CHOWN", "DAC_OVERRIDE"], "front-door": ["NET_BIND_SERVICE"]}
    assert [name for name, container in CONTAINERS.items() if container.get("user") == "0"] == ["keys"]


def test_health_is_readiness_with_time_to_start() -> None:
    check = COMPOSE["x-service"]["healthcheck"]
    assert "/readyz" in check["test"][-1]
    assert seconds(check["start_period"]) >= Settings().startup_timeout


def test_kafka_is_looked_at_without_a_tool_of_its_own() -> None:
    """Each of Kafka's tools starts a JVM."""
    assert ".sh" not in " ".join(CONTAINERS["kafka"]["healthcheck"]["test"])


def test_a_stop_has_the_time_that_it_may_take() -> None:
    assert seconds(COMPOSE["x-service"]["stop_grace_period"]) > 2 * Settings().shutdown_timeout


def test_the_bucket_has_no_default() -> None:
    assert str(ENVIRONMENT["BACKUP_BUCKET"]).startswith("${BACKUP_BUCKET:?")


def test_directories_are_mounted_and_not_files() -> None:
    mounts = [mount for container in CONTAINERS.values() for mount in container.get("volumes", ()) if "/" in mount]
    local = {part.removeprefix("./") for mount in mounts for part in re.findall(r"\./[a-z/-]+", mount)}
    assert local == {"deploy/policy", "deploy/config", "deploy/front-door"}
    assert all((ROOT / directory).is_dir() for directory in local)
    assert all(mount.endswith(":ro") for mount in mounts if "./" in mount)


def test_the_example_of_a_policy_is_one() -> None:
    policies = load(read_path(str(ROOT / "deploy/policy")).files, environment_of({}), None)
    assert policies.find(*(SANDBOX["x-sandbox"]["environment"][name] for name in ("CLUSTER_NAME", "SERVICE_NAME")))


def test_only_loopback_is_listened_on() -> None:
    ports = [port for container in CONTAINERS.values() for port in container.get("ports", ())]
    assert len(ports) == 2
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_sandbox_is_literal_and_a_project_of_its_own() -> None:
    environment = SANDBOX["x-sandbox"]["environment"]
    assert not [value for value in environment.values() if "$" in value]
    assert environment.items() >= REQUIRED_VARIABLES.items()
    assert (environment["AWS_ACCOUNT"], environment["AWS_REGION"]) == (ACCOUNT, REGION)
    assert environment["AWS_ENDPOINT_URL"] == "http://aws:4566"
    assert set(SANDBOX["services"]) - {"aws"} == set(SERVICES)
    assert all(SANDBOX["services"][service] == SANDBOX["x-sandbox"] for service in SERVICES)
    lines = (ROOT / "deploy/sandbox.env").read_text().splitlines()
    choice = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
    assert choice["COMPOSE_FILE"].split(choice["COMPOSE_PATH_SEPARATOR"]) == [
        "docker-compose.yml",
        "deploy/sandbox.yml",
    ]
    assert COMPOSE["name"] == "${COMPOSE_PROJECT_NAME:-surefoot}"
    assert choice["COMPOSE_PROJECT_NAME"] == "surefoot-sandbox"
    assert choice["BACKUP_BUCKET"] == environment["BACKUP_BUCKET"]


def test_only_the_sandbox_is_open_and_the_containers_know_their_own_names() -> None:
    assert ENVIRONMENT["SUREFOOT_ACCESS"] is None
    assert Settings(surefoot_http_host=str(ENVIRONMENT["SUREFOOT_HTTP_HOST"])).served is Served.DEMANDED
    assert SANDBOX["x-sandbox"]["environment"]["SUREFOOT_ACCESS"] == "open"
    *names, added = str(ENVIRONMENT["SUREFOOT_ALLOWED_HOSTS"]).split(",")
    assert set(names) == {"front-door", *SERVICES}
    assert added == "${SUREFOOT_ALLOWED_HOSTS:-}"


def test_a_profile_is_for_all_seven() -> None:
    profile = read("deploy/profile.yml")
    assert profile["services"] == dict.fromkeys(SERVICES, profile["x-profile"])


def test_each_service_sees_its_own_credentials_and_nobody_else_s() -> None:
    services = read("deploy/roles.yml")["services"]
    assert services.keys() == set(SERVICES)
    for name, container in services.items():
        [mount] = container["volumes"]
        assert re.fullmatch(rf"\$\{{AWS_DIRECTORIES(:\?[a-z ]+)?\}}/{name}:/home/surefoot/.aws", mount)
        assert container["environment"]["AWS_PROFILE"] == "surefoot"
        keys = {key: value for key, value in container["environment"].items() if key in KEYS}
        assert keys == dict.fromkeys(KEYS, "")


CADDYFILE = (ROOT / "deploy/front-door/Caddyfile").read_text()


def test_no_container_is_given_a_setting_that_does_not_exist() -> None:
    assert list(misspelt(ENVIRONMENT)) == []


def test_the_front_door_knows_every_service() -> None:
    routes = re.findall(r"handle /api/v1/([a-z-]+)/\* {\s*reverse_proxy ([a-z]+):8080", CADDYFILE)
    assert {service for _, service in routes} == set(SERVICES)
    for path, service in routes:
        routes_of = [*(ROOT / "services" / service).glob("api*")]
        files = [file for place in routes_of for file in (place.glob("*.py") if place.is_dir() else (place,))]
        assert any(f"/{path}" in file.read_text() for file in files)


def test_the_front_doors_own_errors_are_problems() -> None:
    answered = re.findall(r"header Content-Type (\S+)\s+respond `(.*)`", CADDYFILE)
    assert [kind for kind, _ in answered] == ["application/problem+json"] * 2
    for _, text in answered:
        problem = json.loads(text)
        assert problem["type"] == "about:blank"
        assert problem["title"]
        assert problem["detail"].endswith(".")


def test_its_documents_and_probes_are_of_all_services() -> None:
    document = (ROOT / "deploy/front-door/openapi.json").read_text()
    merged = re.findall(r'"([a-z]+)"', document.partition(" list ")[2].partition("-}}")[0])
    named = [names.split("|") for names in re.findall(r"path_regexp service \S+/\(([a-z|]+)\)", CADDYFILE)]
    assert len(named) == 2
    assert all(sorted(names) == sorted(SERVICES) for names in [merged, *named])


def test_the_description_of_the_whole_is_put_together_for_who_may_see_that_of_a_service() -> None:
    block = CADDYFILE.partition("handle /api/v1/openapi.json {")[2].partition("file_server")[0]
    asked = re.search(r"forward_auth orchestrator:8080 {\s+uri (\S+)\s+import connection\s+}", block)
    assert asked
    assert asked[1] == "/api/v1/openapi.json"
    assert "templates" in block


def test_the_front_door_drops_idle_connections_before_a_service_does() -> None:
    idle = re.search(r"keepalive (\d+)s", CADDYFILE)
    assert idle
    assert int(idle[1]) < KEEP_ALIVE_SECONDS


def test_the_front_door_has_the_deadlines_of_the_services_and_proxies_in_one_way() -> None:
    assert f"read_header {DEADLINES.headers:g}s" in CADDYFILE
    assert f"read_body {DEADLINES.body:g}s" in CADDYFILE
    proxies = re.findall(r"reverse_proxy [^\n]*\n\s*([^\n]*)", CADDYFILE)
    assert proxies == ["import connection"] * len(proxies)
    assert ENVIRONMENT["SUREFOOT_TRUSTED_PROXIES"] == "1"
