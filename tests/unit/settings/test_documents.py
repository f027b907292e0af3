"""The example files and docs/configuration.md say what the sections say."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import PydanticUndefined

from fetchbox.settings.load import SECTIONS, load_settings
from fetchbox.settings.sections import HandlerSection, PoolSection, ProxySection, Section

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "config/fetchbox.example.toml"
DOCUMENT = ROOT / "docs/configuration.md"
MIB = 1024**2


def rows() -> Iterator[str]:
    """Yield the row of every key as docs/configuration.md must have it."""
    for name, adapter in SECTIONS.items():
        match name:
            case "handlers":
                yield from section_rows("handlers.NAME", HandlerSection)
            case "proxy":
                yield from section_rows("proxy.pools.NAME", PoolSection)
            case _:
                yield from section_rows(name, type(adapter.validate_python({})))


def section_rows(section: str, model: type[Section]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        default = field.get_default(call_default_factory=True, validated_data={})
        yield f"| `{section}.{name}` | {shown(name, default)} | {field.description} |"


def shown(name: str, value: Any) -> str:
    if value is PydanticUndefined:
        return "needed"
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return " ".join(f"`{item}`" for item in value) or "none"
    if isinstance(value, int) and name.endswith(("_bytes", "threshold")) and value >= MIB:
        is_large = value >= 1024 * MIB
        return f"`{value // MIB // 1024}GB`" if is_large else f"`{value // MIB}MB`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`" if value not in ("", {}) else "empty"


@pytest.mark.parametrize("row", list(rows()))
def test_document_has_every_key_with_its_default(row: str) -> None:
    assert row in DOCUMENT.read_text().splitlines()


def test_document_has_no_other_keys() -> None:
    documented = re.findall(r"^\| `([a-z]+\.[^`]+)` \|", DOCUMENT.read_text(), re.MULTILINE)
    assert sorted(documented) == sorted(row.split("`")[1] for row in rows())


def test_example_is_sound_and_free_of_surprises() -> None:
    settings = load_settings(EXAMPLE, {})
    assert settings.warnings == ()


def test_example_shows_the_defaults() -> None:
    """Copying the file changes nothing, except for the job types it shows."""
    copied, plain = load_settings(EXAMPLE, {}), load_settings(ROOT / "absent.toml", {})
    for name in SECTIONS.keys() - {"handlers"}:
        assert getattr(copied, name) == getattr(plain, name)


def test_example_names_every_key() -> None:
    text = EXAMPLE.read_text()
    models: list[type[Section]] = [HandlerSection, PoolSection]
    found = {name: adapter.validate_python({}) for name, adapter in SECTIONS.items()}
    models += [type(each) for each in found.values() if isinstance(each, Section)]
    names = {name for model in models if model is not ProxySection for name in model.model_fields}
    missing = {name for name in names if not re.search(rf"\b{name}\b", text)}
    assert missing == set()


def test_proxy_samples_are_sound_on_top_of_the_example() -> None:
    files = [
        EXAMPLE,
        *(ROOT / "config/proxies" / f"{name}.toml" for name in ("primary", "fallback")),
    ]
    settings = load_settings(env={"FETCHBOX_CONFIG": ":".join(map(str, files))})
    assert settings.warnings == ()
    assert settings.proxy.pools["gallery"].fallbacks == ("global",)
    assert settings.handlers["gallery"].proxy_pool == "gallery"


def test_configuration_of_the_test_environment_is_sound() -> None:
    file = ROOT / "runner/stacks/fetchbox.test.toml"
    warnings = load_settings(file, {}).warnings
    assert [warning for warning in warnings if "is unknown" in warning] == []
    assert tomllib.loads(file.read_text())["broker"]["lease_ms"] == 2000


def test_dotenv_example_names_known_variables_only() -> None:
    text = (ROOT / ".env.example").read_text()
    ours = re.findall(r"^#?(FETCHBOX__\w+)=(.*)$", text, re.MULTILINE)
    env = {name: value or "secret" for name, value in ours}
    env["IGGY_CLIENT_SECRET"] = env["S3_ACCESS_KEY"] = env["S3_SECRET_KEY"] = "secret"
    settings = load_settings(EXAMPLE, env)
    assert settings.warnings == ()
    assert len(env) > 8
