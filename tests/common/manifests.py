"""Make manifests; every part may be replaced, so that wrong ones can be made too."""

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]


def resource(identity: str, url: str, **more: Any) -> Json:
    """Make one entry of `resources`."""
    return {"id": identity, "url": url, **more}


def manifest(*resources: Json, **more: Any) -> Json:
    """Make a manifest."""
    return {
        "manifest_version": "v1",
        "metadata": {"made_by": "tests"},
        "resources": list(resources),
        **more,
    }


def manifest_of(urls: Mapping[str, str], **more: Any) -> Json:
    """Make a manifest of id to URL."""
    return manifest(*(resource(identity, url) for identity, url in urls.items()), **more)
