"""The price list through boto3, and that it agrees with what Surefoot reckons with."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from contracts.optimizer import FargateSize
from sandbox.aws.inprocess import answered_by
from sandbox.aws.server.in_process import InProcessAws
from services.optimizer.domain.price import RATES, hourly

START = 1_764_000_000.0


@pytest.fixture(scope="module", params=["us-east-1", "us-west-2", "eu-central-1"])
def pricing(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Whatever region a client signs for."""
    account = InProcessAws(lambda: START)
    send: Any = answered_by(account.open("http://aws.sandbox", "application.sandbox", [80]))
    client = boto3.Session("sandbox", "sandbox").client("pricing", request.param)
    client.meta.events.register("before-send", send)
    yield client
    account.close()


def products(pricing: Any, **wanted: str) -> list[Any]:
    filters = [{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in wanted.items()]
    answer = pricing.get_products(ServiceCode="AmazonECS", Filters=filters, FormatVersion="aws_v1")
    assert answer["FormatVersion"] == "aws_v1"
    return [json.loads(one) for one in answer["PriceList"]]


def dollars(product: Any) -> float:
    (term,) = product["terms"]["OnDemand"].values()
    (price,) = term["priceDimensions"].values()
    assert price["unit"] == "hours"
    return float(price["pricePerUnit"]["USD"])


@pytest.mark.parametrize("region", RATES)
def test_surefoot_and_the_price_list_agree(pricing: Any, region: str) -> None:
    prices = {
        (one["product"]["attributes"].get("cpuArchitecture"), "cputype" in one["product"]["attributes"]): dollars(one)
        for one in products(pricing, regionCode=region)
    }
    size = FargateSize(cpu=1024, memory=2048)
    assert prices[None, True] + 2 * prices[None, False] == hourly(size, region, "X86_64")
    # the list rounds what is 20 % less
    assert prices["ARM", True] + 2 * prices["ARM", False] == pytest.approx(hourly(size, region, "ARM64"), abs=1e-5)


def test_a_product_looks_as_those_of_the_real_list(pricing: Any) -> None:
    (found,) = products(pricing, location="US West (Oregon)", usagetype="USW2-Fargate-vCPU-Hours:perCPU")
    sku = found["product"]["sku"]
    assert found["product"] == {
        "productFamily": "Compute",
        "sku": sku,
        "attributes": {
            "servicecode": "AmazonECS", "servicename": "Amazon Elastic Container Service",
            "regionCode": "us-west-2", "location": "US West (Oregon)", "locationType": "AWS Region",
            "usagetype": "USW2-Fargate-vCPU-Hours:perCPU", "cputype": "perCPU", "tenancy": "Shared", "operation": "",
        },
    }  # fmt: skip
    term = found["terms"]["OnDemand"][f"{sku}.JRTCKXETXF"]
    assert term["priceDimensions"][f"{sku}.JRTCKXETXF.6YS6EN2CT7"]["pricePerUnit"] == {"USD": "0.0404800000"}
    assert found["serviceCode"] == "AmazonECS"


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({}, 8),
        ({"ServiceCode": "AmazonECS", "productFamily": "Compute"}, 8),
        ({"cputype": "perCPU"}, 4),
        ({"memorytype": "perGB", "regionCode": "us-east-1"}, 2),
        ({"cpuArchitecture": "ARM", "usagetype": "USE1-Fargate-ARM-GB-Hours"}, 1),
        ({"operatingSystem": "Windows"}, 0),
        ({"regionCode": "us-west-1"}, 0),
    ],
)
def test_filters_all_hold(pricing: Any, wanted: dict[str, str], count: int) -> None:
    assert len(products(pricing, **wanted)) == count


@pytest.mark.parametrize(
    ("kind", "value", "count"),
    [
        ("EQUALS", "us-west-2", 4),
        ("CONTAINS", "us-", 8),
        ("ANY_OF", "us-west-2,eu-west-1", 4),
        ("NONE_OF", "us-west-2", 4),
    ],
)
def test_the_other_kinds_of_filter(pricing: Any, kind: str, value: str, count: int) -> None:
    wanted = [{"Type": kind, "Field": "regionCode", "Value": value}]
    assert len(pricing.get_products(ServiceCode="AmazonECS", Filters=wanted)["PriceList"]) == count


def test_pages_hold_each_product_once(pricing: Any) -> None:
    pages = list(
        pricing.get_paginator("get_products").paginate(ServiceCode="AmazonECS", PaginationConfig={"PageSize": 3})
    )
    assert [len(page["PriceList"]) for page in pages] == [3, 3, 2]
    assert ["NextToken" in page for page in pages] == [True, True, False]
    usage_types = {json.loads(one)["product"]["attributes"]["usagetype"] for page in pages for one in page["PriceList"]}
    assert len(usage_types) == 8


def test_services_and_their_attributes(pricing: Any) -> None:
    (service,) = pricing.describe_services()["Services"]
    assert service["ServiceCode"] == "AmazonECS"
    assert {"usagetype", "regionCode", "cputype", "productFamily", "termType"} <= set(service["AttributeNames"])
    for name in service["AttributeNames"]:
        assert pricing.get_attribute_values(ServiceCode="AmazonECS", AttributeName=name)["AttributeValues"]
    regions = pricing.get_attribute_values(ServiceCode="AmazonECS", AttributeName="regionCode")["AttributeValues"]
    assert [one["Value"] for one in regions] == ["us-east-1", "us-west-2"]


@pytest.mark.parametrize(
    ("operation", "asked", "code", "said"),
    [
        ("get_products", {"ServiceCode": ""}, "InvalidParameterException", "serviceCode cannot be null or empty"),
        (
            "get_products",
            {"ServiceCode": "AmazonEC2"},
            "NotFoundException",
            "The simulated AWS has no prices of AmazonEC2",
        ),
        ("describe_services", {"ServiceCode": "AmazonS3"}, "NotFoundException", "no prices of AmazonS3"),
        ("get_products", {"ServiceCode": "AmazonECS", "NextToken": "x"}, "InvalidNextTokenException", "token"),
        ("get_products", {"ServiceCode": "AmazonECS", "MaxResults": 101}, "InvalidParameterException", "maxResults"),
        ("get_products", {"ServiceCode": "AmazonECS", "FormatVersion": "v2"}, "InvalidParameterException", "aws_v1"),
        (
            "get_products",
            {"ServiceCode": "AmazonECS", "Filters": [{"Type": "LIKE", "Field": "a", "Value": "b"}]},
            "InvalidParameterException",
            "filter type",
        ),
        (
            "get_attribute_values",
            {"ServiceCode": "AmazonECS", "AttributeName": "colour"},
            "NotFoundException",
            "no attribute 'colour'",
        ),
        (
            "list_price_lists",
            {"ServiceCode": "AmazonECS", "EffectiveDate": START, "CurrencyCode": "USD"},
            "UnsupportedOperationException",
            "The simulated AWS has no ListPriceLists of pricing",
        ),
    ],
)
def test_what_cannot_be_answered_is_refused(pricing: Any, operation: str, asked: Any, code: str, said: str) -> None:
    with pytest.raises(ClientError, match=said) as refused:
        getattr(pricing, operation)(**asked)
    assert refused.value.response["Error"]["Code"] == code
