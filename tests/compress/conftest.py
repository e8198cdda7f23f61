"""Commands of compress as they are typed."""

import pytest

from compress import __main__ as command


def typed(*arguments):
    """The exit code."""
    try:
        return command.main([str(a) for a in arguments])
    except SystemExit as end:
        return end.code


@pytest.fixture
def says(capfd):
    """That a command ends with one line with these words, and with 2."""

    def check(words, *arguments):
        assert typed(*arguments) == 2
        error = capfd.readouterr().err.strip().splitlines()[-1]
        assert error.startswith("error: ") and words in error

    return check
