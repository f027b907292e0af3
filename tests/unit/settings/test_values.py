"""How single values are written."""

from collections.abc import Callable

import pytest

from fetchbox.settings.values import (
    Address,
    check_http,
    check_iggy,
    check_name,
    check_network,
    check_proxy,
    parse_address,
    parse_list,
    parse_scalar,
    parse_size,
)

KIB = 1024


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("0", 0, id="zero"),
        pytest.param("17", 17, id="plain"),
        pytest.param("17B", 17, id="bytes"),
        pytest.param("2k", 2 * KIB, id="k"),
        pytest.param("2KB", 2 * KIB, id="kb"),
        pytest.param("2KiB", 2 * KIB, id="kib"),
        pytest.param(" 5 MB ", 5 * KIB**2, id="blanks"),
        pytest.param("5mib", 5 * KIB**2, id="lower-case"),
        pytest.param("50GB", 50 * KIB**3, id="gb"),
        pytest.param("1T", KIB**4, id="t"),
        pytest.param("1TiB", KIB**4, id="tib"),
    ],
)
def test_size_counts_in_powers_of_1024(text: str, expected: int) -> None:
    assert parse_size(text) == expected


@pytest.mark.parametrize("text", ["", "MB", "1.5MB", "-1", "5 M B", "5PB", "5IB", "\u0665MB"])
def test_size_refuses_what_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="byte size"):
        parse_size(text)


def test_size_leaves_numbers_to_the_type() -> None:
    assert parse_size(5) == 5


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        pytest.param("127.0.0.1:8080", "127.0.0.1", 8080, id="v4"),
        pytest.param("[::1]:80", "::1", 80, id="v6"),
        pytest.param("localhost:0", "localhost", 0, id="free-port"),
        pytest.param(" api:65535 ", "api", 65_535, id="blanks"),
    ],
)
def test_address_is_host_and_port(text: str, host: str, port: int) -> None:
    address = parse_address(text)
    assert address == Address(host=host, port=port)
    assert str(address) == text.strip()


@pytest.mark.parametrize("text", ["8080", ":8080", "host:", "host:x", "host:65536", "::1:80", ""])
def test_address_refuses_what_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        parse_address(text)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        pytest.param("127.0.0.1", True, id="v4"),
        pytest.param("127.9.9.9", True, id="whole-network"),
        pytest.param("::1", True, id="v6"),
        pytest.param("localhost", True, id="name"),
        pytest.param("0.0.0.0", False, id="all"),
        pytest.param("::", False, id="all-v6"),
        pytest.param("api.example", False, id="other-name"),
    ],
)
def test_loopback_is_this_host_only(host: str, *, expected: bool) -> None:
    assert Address(host=host, port=1).is_loopback is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("a, b ,,c", ["a", "b", "c"], id="commas"),
        pytest.param("", [], id="empty"),
        pytest.param('["a,b", "c"]', ["a,b", "c"], id="json"),
        pytest.param(["a"], ["a"], id="list"),
    ],
)
def test_list_is_commas_or_json(value: object, expected: list[str]) -> None:
    assert parse_list(value) == expected


def test_list_says_that_json_is_broken() -> None:
    with pytest.raises(ValueError, match="JSON"):
        parse_list('["a"')


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("true", True, id="bool"),
        pytest.param("8", 8, id="int"),
        pytest.param("1.5", 1.5, id="float"),
        pytest.param('{"a": 1}', {"a": 1}, id="json"),
        pytest.param("plain", "plain", id="text"),
    ],
)
def test_scalar_finds_its_type(text: str, expected: object) -> None:
    assert parse_scalar(text) == expected


@pytest.mark.parametrize(
    ("check", "text"),
    [
        pytest.param(check_proxy, "http://u:p@proxy:8080", id="proxy"),
        pytest.param(check_proxy, "https://proxy", id="proxy-tls"),
        pytest.param(check_http, "http://minio:9000", id="http"),
        pytest.param(check_iggy, "iggy://iggy:8090", id="iggy"),
        pytest.param(check_iggy, "tcp://[::1]:8090", id="iggy-tcp"),
        pytest.param(check_network, "10.0.0.0/8", id="network"),
        pytest.param(check_name, "fetchbox-default", id="name"),
    ],
)
def test_well_formed_text_passes(check: Callable[[str], str], text: str) -> None:
    assert check(text) == text


@pytest.mark.parametrize(
    ("check", "text"),
    [
        pytest.param(check_proxy, "proxy:8080", id="proxy-without-scheme"),
        pytest.param(check_proxy, "socks5://proxy:1080", id="proxy-socks"),
        pytest.param(check_proxy, "http://", id="proxy-without-host"),
        pytest.param(check_proxy, "http://proxy:99999", id="proxy-port"),
        pytest.param(check_http, "http://user:secret@minio:9000", id="http-userinfo"),
        pytest.param(check_http, "minio:9000", id="http-without-scheme"),
        pytest.param(check_iggy, "http://iggy:8090", id="iggy-scheme"),
        pytest.param(check_iggy, "iggy://iggy", id="iggy-without-port"),
        pytest.param(check_iggy, "iggy://u:p@iggy:8090", id="iggy-userinfo"),
        pytest.param(check_network, "10.0.0.1/8", id="network-host-bits"),
        pytest.param(check_name, "", id="name-empty"),
        pytest.param(check_name, "two words", id="name-blank"),
    ],
)
def test_malformed_text_is_refused(check: Callable[[str], str], text: str) -> None:
    with pytest.raises(ValueError, match="must"):
        check(text)
