"""Tests that are wrong themselves."""

from tests.common.context import TestContext


def test_cover_is_fetched(context: TestContext) -> None:
    """The fault: the stub's path has a typing error."""
    url = context.serve("cover.jpg")
    context.run({"cover": url.replace("cover.jpg", "cover.jpeg")})


def test_tenant_is_shown(context: TestContext) -> None:
    """The fault: there is no such field."""
    _, shown = context.run({"small": context.serve("small")})
    assert shown["tennant"] == context.tenant
