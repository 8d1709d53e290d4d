"""ECR's API over the repositories of all accounts that may be looked into."""

import base64
from typing import Any

from sandbox.aws.ecr.registry import INDEX, REPOSITORY, Manifest, Registry, Repository
from sandbox.aws.errors import AwsFault

TARGET = "AmazonEC2ContainerRegistry_V20150921"
"""The prefix of ``X-Amz-Target``."""
PUSHED = 1767225600.0
"""Epoch seconds at which every image was pushed: the start of 2026."""

Answer = dict[str, Any]


class Ecr:
    """``call`` answers one operation; layers are downloaded from ``{endpoint}/_sandbox/blobs/…``."""

    def __init__(self, registry: Registry, account: str, region: str, endpoint: str) -> None:
        self._registry = registry
        self._account = account
        self._arn = f"arn:aws:ecr:{region}:{account}:repository/{REPOSITORY}"
        self._endpoint = endpoint
        self._region = region
        self._operations = {
            "DescribeRepositories": self._describe_repositories,
            "ListImages": self._list_images,
            "DescribeImages": self._describe_images,
            "BatchGetImage": self._batch_get_image,
            "PutImage": self._put_image,
            "GetDownloadUrlForLayer": self._get_download_url_for_layer,
            "GetAuthorizationToken": self._get_authorization_token,
            "GetLifecyclePolicy": self._get_lifecycle_policy,
            "DescribePullThroughCacheRules": self._describe_pull_through_cache_rules,
        }

    def call(self, operation: str, request: Answer, now: float) -> Answer:
        """Answer one call. Raise ``AwsFault`` for what ECR would refuse and for what isn't simulated."""
        if operation not in self._operations:
            raise AwsFault("UnsupportedCommandException", f"The simulated ECR has no {operation}.")
        return self._operations[operation](request, now)

    def _repository(self, request: Answer) -> Repository:
        """Return the repository that a request names. Raise ``AwsFault`` where it is not there, or not to be read."""
        account, name = request.get("registryId", self._account), request.get("repositoryName", REPOSITORY)
        found = self._registry.repositories.get(f"{account}.dkr.ecr.{self._region}.amazonaws.com/{name}")
        if found is None or not found.listed:
            raise _no_repository(name, account)
        if not found.readable:
            arn = f"arn:aws:ecr:{self._region}:{account}:repository/{name}"
            raise AwsFault(
                "AccessDeniedException",
                f"User: arn:aws:iam::{self._account}:user/sandbox is not authorized to perform: ecr:BatchGetImage on "
                f"resource: {arn} because no resource-based policy allows the ecr:BatchGetImage action",
            )
        return found

    def _describe_repositories(self, request: Answer, _now: float) -> Answer:
        unknown = [name for name in request.get("repositoryNames", ()) if name != REPOSITORY]
        if unknown:
            raise _no_repository(unknown[0], self._account)
        repository = {
            "repositoryArn": self._arn,
            "registryId": self._account,
            "repositoryName": REPOSITORY,
            "repositoryUri": self._registry.uri,
            "createdAt": PUSHED,
            "imageTagMutability": "MUTABLE",
            "imageScanningConfiguration": {"scanOnPush": False},
            "encryptionConfiguration": {"encryptionType": "AES256"},
        }
        return {"repositories": [repository]}

    def _list_images(self, request: Answer, _now: float) -> Answer:
        tagged = self._repository(request).tags.items()
        return {"imageIds": [{"imageDigest": digest, "imageTag": tag} for tag, digest in tagged]}

    def _describe_images(self, request: Answer, _now: float) -> Answer:
        repository = self._repository(request)
        asked = request.get("imageIds") or [{"imageTag": tag} for tag in repository.tags]
        found = {}
        for identity in asked:
            manifest = self._find(repository, identity)
            if manifest is None:
                account, name = _named(repository)
                raise AwsFault(
                    "ImageNotFoundException",
                    f"The image with imageId {_shown(identity)} does not exist within the repository "
                    f"with name '{name}' in the registry with id '{account}'",
                )
            found[manifest.digest] = manifest
        return {"imageDetails": [self._detail(repository, manifest) for manifest in found.values()]}

    def _detail(self, repository: Repository, manifest: Manifest) -> Answer:
        account, name = _named(repository)
        return {
            "registryId": account,
            "repositoryName": name,
            "imageDigest": manifest.digest,
            "imageTags": sorted(tag for tag, digest in repository.tags.items() if digest == manifest.digest),
            "imageSizeInBytes": manifest.size,
            "imagePushedAt": PUSHED,
            "imageManifestMediaType": manifest.media_type,
        }

    def _batch_get_image(self, request: Answer, _now: float) -> Answer:
        """Return manifests of the types that are asked for; a manifest of another type is not found.

        Named by a tag, an index is answered for by the manifest of its image where no index is asked for, which has
        another digest. Named by its digest it is what was pushed.
        """
        accepted, repository = request.get("acceptedMediaTypes") or (), self._repository(request)
        images, failures = [], []
        for identity in request["imageIds"]:
            manifest = self._find(repository, identity)
            if manifest is not None and not identity.get("imageDigest") and INDEX not in accepted:
                manifest = self._registry.image_of(manifest)
            if not identity.get("imageTag") and not identity.get("imageDigest"):
                failures.append(_failure(identity, "MissingDigestAndTag", "Invalid request parameters"))
            elif manifest is None or (accepted and manifest.media_type not in accepted):
                failures.append(_failure(identity, "ImageNotFound", "Requested image not found"))
            else:
                images.append(_image(repository, manifest, identity.get("imageTag")))
        return {"images": images, "failures": failures}

    def _put_image(self, request: Answer, _now: float) -> Answer:
        """Move a tag. The manifest must exist already."""
        manifest = next(
            (
                known
                for known in self._registry.manifests.values()
                if known.content == request["imageManifest"].encode()
            ),
            None,
        )
        tag = request.get("imageTag")
        if manifest is None:
            raise AwsFault("LayersNotFoundException", "The simulated ECR takes only manifests that it holds.")
        if tag and self._registry.tags.get(tag) == manifest.digest:
            raise AwsFault(
                "ImageAlreadyExistsException",
                f"Image with digest '{manifest.digest}' and tag '{tag}' already exists in the repository "
                f"with name '{REPOSITORY}' in registry with id '{self._account}'",
            )
        if tag:
            self._registry.tags[tag] = manifest.digest
        return {"image": _image(self._registry.repositories[self._registry.uri], manifest, tag)}

    def _get_download_url_for_layer(self, request: Answer, _now: float) -> Answer:
        digest = request["layerDigest"]
        if digest not in self._registry.blobs:
            raise AwsFault(
                "LayersNotFoundException",
                f"The layer with digest '{digest}' does not exist in the repository with name '{REPOSITORY}' "
                f"in the registry with id '{self._account}'",
            )
        return {"downloadUrl": f"{self._endpoint}/_sandbox/blobs/{digest}", "layerDigest": digest}

    def _get_authorization_token(self, _request: Answer, now: float) -> Answer:
        token = base64.b64encode(b"AWS:simulated").decode()
        host = f"https://{self._registry.uri.partition('/')[0]}"
        data = {"authorizationToken": token, "expiresAt": now + 12 * 3600, "proxyEndpoint": host}
        return {"authorizationData": [data]}

    def _describe_pull_through_cache_rules(self, request: Answer, _now: float) -> Answer:
        account = request.get("registryId", self._account)
        host = f"{account}.dkr.ecr.{self._region}.amazonaws.com"
        cached = (each.uri.split("/") for each in self._registry.repositories.values() if each.cached)
        prefixes = sorted({parts[1] for parts in cached if parts[0] == host})
        rules = [{"ecrRepositoryPrefix": prefix, "registryId": account, "createdAt": PUSHED} for prefix in prefixes]
        return {"pullThroughCacheRules": rules}

    def _get_lifecycle_policy(self, request: Answer, _now: float) -> Answer:
        repository = self._repository(request)
        account, name = _named(repository)
        if not repository.lifecycle:
            raise AwsFault(
                "LifecyclePolicyNotFoundException",
                f"Lifecycle policy does not exist for the repository with name '{name}' in the registry with id "
                f"'{account}'",
            )
        return {"registryId": account, "repositoryName": name, "lifecyclePolicyText": repository.lifecycle}

    def _find(self, repository: Repository, identity: Answer) -> Manifest | None:
        digest, tag = identity.get("imageDigest", ""), identity.get("imageTag", "")
        if digest and tag and repository.tags.get(tag) != digest:
            return None
        return self._registry.find(repository, tag, digest)


def _no_repository(name: str, account: str) -> AwsFault:
    return AwsFault(
        "RepositoryNotFoundException",
        f"The repository with name '{name}' does not exist in the registry with id '{account}'",
    )


def _named(repository: Repository) -> tuple[str, str]:
    """Return account and name of a repository of ECR."""
    host, _, name = repository.uri.partition("/")
    return host.partition(".")[0], name


def _image(repository: Repository, manifest: Manifest, tag: str | None) -> Answer:
    account, name = _named(repository)
    return {
        "registryId": account,
        "repositoryName": name,
        "imageId": {"imageDigest": manifest.digest, **({"imageTag": tag} if tag else {})},
        "imageManifest": manifest.content.decode(),
        "imageManifestMediaType": manifest.media_type,
    }


def _failure(identity: Answer, code: str, reason: str) -> Answer:
    return {"imageId": identity, "failureCode": code, "failureReason": reason}


def _shown(identity: Answer) -> str:
    names = ("imageDigest", "imageTag")
    return "{" + ", ".join(f"{key}:'{identity.get(key) or 'null'}'" for key in names) + "}"
