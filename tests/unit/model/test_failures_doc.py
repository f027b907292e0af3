"""docs/failures.md has a row for every code, and says the same as the tables in the code."""

import re
from pathlib import Path

import pytest

from fetchbox.api.errors import API_CODE_OF, STATUS_OF, ApiCode
from fetchbox.model.failure import VERDICTS, FailureCode

DOC = Path(__file__).parents[3] / "docs" / "failures.md"
ROWS = {
    cells[1].strip(" `"): [cell.strip() for cell in cells[2:-1]]
    for line in DOC.read_text().splitlines()
    if re.match(r"\| `[A-Z0-9_]+` \|", line)
    for cells in [line.split("|")]
}


def test_every_code_has_a_row_and_every_row_a_code() -> None:
    assert set(ROWS) == set(FailureCode)


@pytest.mark.parametrize("code", FailureCode)
def test_row_tells_verdict_and_answer(code: FailureCode) -> None:
    *meaning, retryable, http, dead_letter, remedy = ROWS[code]
    assert len(meaning) <= 1
    assert retryable.startswith(("yes", "no", "only"))
    if code is not FailureCode.DOWNLOAD_HTTP_4XX:  # depends on the status
        assert retryable.startswith("yes") is VERDICTS[code]
    shown = API_CODE_OF[code]
    if http == "none":  # a worker's own; would be a defect in the API
        assert shown is ApiCode.INTERNAL_ERROR
    else:
        assert http == f"{STATUS_OF[shown]} `{shown}`"
    assert dead_letter.startswith(("no", "at once", "when tries"))
    assert remedy
