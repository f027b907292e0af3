"""`fetchbox config check`: whether the configuration is sound, and what is in effect."""

from typing import Final

import typer

from fetchbox.cli.render import show_note, show_text
from fetchbox.cli.service import reported

app: Final = typer.Typer(help="Look at the configuration.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep `check` a command of its own."""


@app.command("check")
def check() -> None:
    """Check the configuration and show what is in effect, secrets hidden.

    Exit code 78: it has errors; every one is listed.
    """
    from fetchbox.settings.checks import check_handler_classes  # noqa: PLC0415 - as in service
    from fetchbox.settings.load import load_settings  # noqa: PLC0415
    from fetchbox.settings.summary import effective  # noqa: PLC0415

    with reported():
        settings = load_settings(also=[check_handler_classes])
    entries = list(effective(settings))
    named = (len(f"{entry.key} = {entry.value}") for entry in entries if entry.origin)
    width = max(named, default=0)
    for entry in entries:
        text = f"{entry.key} = {entry.value}"
        show_text(f"{text:<{width}}  # {entry.origin}" if entry.origin else text)
    for warning in settings.warnings:
        show_note(f"warning: {warning}")
    show_note("the configuration is sound")
