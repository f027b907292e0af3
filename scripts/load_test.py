"""Load FetchBox in an open model and judge it: `scripts/load_test.py --help`, or `make load`.

The tool itself is tests/load.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.load.__main__ import main  # only now can it be found

if __name__ == "__main__":
    sys.exit(main())
