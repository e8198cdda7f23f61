"""Where the real photographs lie, for the tests that use them."""

from pathlib import Path

import pytest

SHARED = Path(__file__).parents[4] / "shared" / "data"


@pytest.fixture
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip("needs ../shared/data (real photographs, not in the repository)")
    return SHARED
