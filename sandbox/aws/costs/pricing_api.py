"""AWS's Price List Query API over the table of prices.

Source: AWS Billing and Cost Management API reference, DescribeServices, GetAttributeValues and GetProducts. Products
look as those of AmazonECS do; their SKUs and the day of publication are made up.
"""

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import orjson

from sandbox.aws.costs.prices import PRODUCTS, SERVICE, SERVICE_CODE, UNIT, Product
from sandbox.aws.errors import AwsFault

TARGET = "AWSPriceListService"
"""The prefix of ``X-Amz-Target``."""
FORMAT = "aws_v1"
ON_DEMAND, RATE = "JRTCKXETXF", "6YS6EN2CT7"
"""The codes of the term and of the rate that every price on demand has."""
PUBLISHED = "2025-01-01T00:00:00Z"

Answer = dict[str, Any]
T = TypeVar("T")

_MATCHES: dict[str, Callable[[str, str], bool]] = {
    "TERM_MATCH": lambda has, wanted: has == wanted,
    "EQUALS": lambda has, wanted: has == wanted,
    "CONTAINS": lambda has, wanted: wanted in has,
    "ANY_OF": lambda has, wanted: has in wanted.split(","),
    "NONE_OF": lambda has, wanted: has not in wanted.split(","),
}


def call(operation: str, request: Answer, now: float) -> Answer:
    """Answer one call. Raise ``AwsFault`` for what AWS would refuse and for what isn't simulated."""
    del now
    if operation not in _OPERATIONS:
        raise AwsFault("UnsupportedOperationException", f"The simulated AWS has no {operation} of pricing.")
    if request.get("FormatVersion", FORMAT) != FORMAT:
        raise _invalid(f"formatVersion must be {FORMAT}")
    return _OPERATIONS[operation](request)


def _describe_services(request: Answer) -> Answer:
    if request.get("ServiceCode"):
        _check_service(request)
    names = sorted({name for product in PRODUCTS for name in _searchable(product)} | {"termType"})
    services, token = _page([{"ServiceCode": SERVICE_CODE, "AttributeNames": names}], request)
    return {"Services": services, "FormatVersion": FORMAT, **token}


def _get_attribute_values(request: Answer) -> Answer:
    _check_service(request)
    name = request.get("AttributeName", "")
    found = {"OnDemand"} if name == "termType" else {_searchable(product).get(name) for product in PRODUCTS} - {None}
    if not found:
        raise AwsFault("NotFoundException", f"{SERVICE_CODE} has no attribute {name!r}.")
    values, token = _page([{"Value": value} for value in sorted(map(str, found))], request)
    return {"AttributeValues": values, **token}


def _get_products(request: Answer) -> Answer:
    _check_service(request)
    filters = request.get("Filters") or []
    for condition in filters:
        if condition.get("Type") not in _MATCHES:
            raise _invalid(f"filter type must be one of {', '.join(_MATCHES)}")
    chosen = [product for product in PRODUCTS if all(_meets(product, condition) for condition in filters)]
    page, token = _page(chosen, request)
    return {
        "FormatVersion": FORMAT,
        "PriceList": [orjson.dumps(_described(product)).decode() for product in page],
        **token,
    }


_OPERATIONS: dict[str, Callable[[Answer], Answer]] = {
    "DescribeServices": _describe_services,
    "GetAttributeValues": _get_attribute_values,
    "GetProducts": _get_products,
}


def _attributes(product: Product) -> dict[str, str]:
    return {
        "servicecode": SERVICE_CODE,
        "servicename": SERVICE,
        "location": product.place.location,
        "locationType": "AWS Region",
        "regionCode": product.place.code,
        "usagetype": product.usage_type,
        "operation": "",
        "tenancy": "Shared",
        **product.attributes,
    }


def _searchable(product: Product) -> dict[str, str]:
    return {**_attributes(product), "productFamily": "Compute"}


def _meets(product: Product, wanted: Mapping[str, str]) -> bool:
    """Return whether a product matches a filter; ``ServiceCode`` and ``servicecode`` are one field, as at AWS."""
    fields = {name.lower(): value for name, value in _searchable(product).items()}
    return _MATCHES[wanted["Type"]](fields.get(wanted.get("Field", "").lower(), ""), wanted.get("Value", ""))


def _described(product: Product) -> Answer:
    sku = base64.b32encode(hashlib.sha256(product.usage_type.encode()).digest()).decode()[:16]
    term, rate = f"{sku}.{ON_DEMAND}", f"{sku}.{ON_DEMAND}.{RATE}"
    price = {
        "unit": UNIT,
        "beginRange": "0",
        "endRange": "Inf",
        "description": f"AWS Fargate - {product.label} - {product.place.location}",
        "appliesTo": [],
        "rateCode": rate,
        "pricePerUnit": {"USD": f"{product.hourly:0<12}"},
    }
    on_demand = {
        "sku": sku,
        "offerTermCode": ON_DEMAND,
        "effectiveDate": PUBLISHED,
        "termAttributes": {},
        "priceDimensions": {rate: price},
    }
    return {
        "product": {"productFamily": "Compute", "attributes": _attributes(product), "sku": sku},
        "serviceCode": SERVICE_CODE,
        "terms": {"OnDemand": {term: on_demand}},
        "version": PUBLISHED.translate({ord(mark): None for mark in "-T:Z"}),
        "publicationDate": PUBLISHED,
    }


def _check_service(request: Mapping[str, Any]) -> None:
    service = request.get("ServiceCode")
    if not service:
        raise _invalid("serviceCode cannot be null or empty")
    if service != SERVICE_CODE:
        raise AwsFault("NotFoundException", f"The simulated AWS has no prices of {service}.")


def _page(items: Sequence[T], request: Mapping[str, Any], most: int = 100) -> tuple[list[T], dict[str, str]]:
    """One page and ``{"NextToken": …}``, empty on the last page."""
    size, token = request.get("MaxResults") or most, str(request.get("NextToken") or "0")
    if not 1 <= size <= most:
        raise _invalid(f"maxResults must be between 1 and {most}")
    if not token.isdecimal() or int(token) > len(items):
        raise AwsFault("InvalidNextTokenException", "The pagination token is invalid.")
    end = int(token) + size
    return list(items[int(token) : end]), {"NextToken": str(end)} if end < len(items) else {}


def _invalid(why: str) -> AwsFault:
    return AwsFault("InvalidParameterException", f"Input Parameters are invalid. {why}")
