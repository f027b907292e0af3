"""Take the picture of the report that docs/testing.md shows: docs/images/report.png.

make demo-failure && python scripts/screenshot.py
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "chrome")
WITHIN_S: Final = 60


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 when the picture is there."""
    given = _parser().parse_args(arguments)
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        return _refuse("no chromium on PATH (Debian: apt-get install chromium)")
    if not given.report.exists():
        return _refuse(f"no {given.report}: run `make demo-failure` first")
    given.picture.parent.mkdir(parents=True, exist_ok=True)
    take(browser, given.report.resolve(), given.picture.resolve(), given.size)
    print(given.picture)
    return 0


def take(browser: str, report: Path, picture: Path, size: str) -> None:
    """Let the browser render the page; raises CalledProcessError."""
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [
                *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
                *(f"--user-data-dir={profile}", f"--window-size={size}"),
                *(f"--screenshot={picture}", report.as_uri()),
            ],
            check=True,
            capture_output=True,
            timeout=WITHIN_S,
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("report", nargs="?", type=Path, default=ROOT / "artifacts/report.html")
    add("picture", nargs="?", type=Path, default=ROOT / "docs/images/report.png")
    add("--size", default="1280,1180", help="width,height in pixels (1280,1180)")
    return parser


def _refuse(reason: str) -> int:
    print(f"screenshot: {reason}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
