"""How single values are written in configuration: sizes, addresses, lists, URIs.

Messages say what a value must look like; the key and where it came from are added by `problems`.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, PlainSerializer, SecretStr

KIB: Final = 1024
#: Powers of 1024 by the first letter of the unit.
_POWERS: Final = {"": 0, "B": 0, "K": 1, "M": 2, "G": 3, "T": 4}
_SIZE: Final = re.compile(r"\s*(\d+)\s*(?:(B)|([KMGT])(?:I?B)?)?\s*", re.IGNORECASE | re.ASCII)
_MAX_PORT: Final = 65_535
_IGGY_SCHEMES: Final = frozenset({"iggy", "tcp"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where to listen. Port 0 asks the system for a free one."""

    host: str
    port: int

    def __str__(self) -> str:
        """Show as host:port, IPv6 in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Only programs on this host can connect."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def parse_size(value: object) -> object:
    """Read a byte size: an integer, or digits and a unit (powers of 1024)."""
    if not isinstance(value, str):
        return value
    match = _SIZE.fullmatch(value)
    if match is None:
        msg = "must be a byte size such as 5242880, 512KB or 5MB (no decimals)"
        raise ValueError(msg)
    return int(match[1]) * KIB ** _POWERS[(match[3] or "").upper()]


def parse_address(value: object) -> object:
    """Read host:port; IPv6 in brackets."""
    if isinstance(value, Address):
        return value
    host, colon, port = str(value).strip().rpartition(":")
    is_port = port.isascii() and port.isdigit() and int(port) <= _MAX_PORT
    bare = host.removeprefix("[").removesuffix("]")
    if not (colon and bare and is_port) or (":" in bare and not host.startswith("[")):
        msg = "must be host:port, e.g. 127.0.0.1:8080 or [::1]:8080"
        raise ValueError(msg)
    return Address(host=bare, port=int(port))


def parse_list(value: object) -> object:
    """Read a list written as text: comma-separated, or JSON."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return parse_json(value)
    return [item.strip() for item in value.split(",") if item.strip()]


def parse_json(value: object) -> object:
    """Read a table or list written as JSON text."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value or "{}")
    except ValueError:
        msg = "must be JSON"
        raise ValueError(msg) from None


def parse_scalar(text: str) -> Any:
    """Read text of unknown type: bool, number or JSON if it is one, else text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def blank_is_none(value: object) -> object:
    """Take empty text for not set, as `NAME=` in a compose file means it."""
    return None if isinstance(value, str) and not value.strip() else value


def check_network(value: str) -> str:
    """Accept a network such as 169.254.0.0/16."""
    try:
        return str(ip_network(value))
    except ValueError:
        msg = "must be networks such as 169.254.0.0/16 or fe80::/10"
        raise ValueError(msg) from None


def check_proxy(value: str) -> str:
    """Accept http://[user:pass@]host:port."""
    if not _has_host(value, frozenset({"http", "https"})):
        msg = "must be URIs such as http://user:password@proxy.example:8080"
        raise ValueError(msg)
    return value


def check_http(value: str) -> str:
    """Accept an absolute http or https URL without credentials."""
    if not _has_host(value, frozenset({"http", "https"})) or "@" in value:
        msg = "must be an http:// or https:// URL without user and password"
        raise ValueError(msg)
    return value


def check_iggy(value: str) -> str:
    """Accept iggy://host:port and tcp://host:port; credentials have keys of their own."""
    if not _has_host(value, _IGGY_SCHEMES) or urlsplit(value).port is None:
        msg = "must be iggy://host:port or tcp://host:port"
        raise ValueError(msg)
    if "@" in value:
        msg = "must not hold user and password: set iggy.client_id and iggy.client_secret"
        raise ValueError(msg)
    return value


def check_name(value: str) -> str:
    """Accept text that names something: not empty, no blanks."""
    if not value or any(char.isspace() for char in value):
        msg = "must not be empty or contain blanks"
        raise ValueError(msg)
    return value


def check_header(value: str) -> str:
    """Accept what may stand in a header."""
    if any(char in value for char in "\r\n\0"):
        msg = "must not contain line breaks"
        raise ValueError(msg)
    return value


def _has_host(value: str, schemes: frozenset[str]) -> bool:
    try:
        parts = urlsplit(value)
        return bool(parts.scheme in schemes and parts.hostname and parts.port != 0)
    except ValueError:
        return False


def _after(check: Callable[[str], str]) -> Callable[[object], object]:
    """Apply a check to text only; other types are refused by the field's type."""

    def apply(value: object) -> object:
        return check(value.strip()) if isinstance(value, str) else value

    return apply


def _each(check: Callable[[str], str]) -> Callable[[object], object]:
    def apply(value: object) -> object:
        items = parse_list(value)
        if not isinstance(items, list | tuple):
            return items
        return [check(item) if isinstance(item, str) else item for item in items]

    return apply


_Shown = PlainSerializer(str, return_type=str)

Size = Annotated[int, BeforeValidator(parse_size), Field(ge=1)]
SizeOrNone = Annotated[int, BeforeValidator(parse_size), Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Millis = Annotated[int, Field(ge=1)]
MillisOrNone = Annotated[int, Field(ge=0)]
Days = Annotated[int, Field(ge=1)]
Listen = Annotated[Address, BeforeValidator(parse_address), _Shown]
Name = Annotated[str, BeforeValidator(_after(check_name))]
OptionalName = Annotated[
    str | None, BeforeValidator(_after(check_name)), BeforeValidator(blank_is_none)
]
OptionalText = Annotated[str | None, BeforeValidator(blank_is_none)]
Secret = Annotated[SecretStr | None, BeforeValidator(blank_is_none)]
HttpUrl = Annotated[str | None, BeforeValidator(_after(check_http)), BeforeValidator(blank_is_none)]
HeaderText = Annotated[str, BeforeValidator(_after(check_header))]
IggyUrl = Annotated[str, BeforeValidator(_after(check_iggy))]
Networks = Annotated[tuple[str, ...], BeforeValidator(_each(check_network))]
ProxyUris = Annotated[tuple[str, ...], BeforeValidator(_each(check_proxy))]
Names = Annotated[tuple[str, ...], BeforeValidator(parse_list)]
Table = Annotated[dict[str, Any], BeforeValidator(parse_json)]
TextTable = Annotated[dict[str, str], BeforeValidator(parse_json)]
