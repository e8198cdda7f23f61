"""Commands of several verbs, each a module that is imported when it is typed: `--help` waits for none of them."""

from __future__ import annotations

import argparse
import importlib
import shlex
from collections.abc import Mapping, Sequence


def parser(
    room: str, purpose: str, verbs: Mapping[str, tuple[str, str]], argv: Sequence[str]
) -> argparse.ArgumentParser:
    """Of ``python -m ROOM VERB``. verbs: name -> its module, and its purpose in a line.

    A module has EXAMPLE, add_arguments(parser) and main(options) -> exit code or None; what else its help says is its
    docstring, or MORE. Options get ``main``, and ``typed``: the whole command.
    """
    program = f"python -m {room}"
    whole = argparse.ArgumentParser(program, description=purpose)
    added = whole.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, (place, what) in verbs.items():
        if name not in argv[:1]:
            added.add_parser(name, help=what)
            continue
        module = importlib.import_module(place)
        more = getattr(module, "MORE", None) or module.__doc__.partition("\n\n")[2]
        one = added.add_parser(
            name,
            help=what,
            description=f"{what[0].upper()}{what[1:]}\n\n{more}".strip(),
            epilog=f"example:\n  {program} {name} {module.EXAMPLE}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(one)
        if one._subparsers is None:  # verbs of a verb have it themselves
            one.add_argument(
                "--debug", action="store_true", help="show what libraries say, and the traceback of an error"
            )
        one.set_defaults(main=module.main, typed=shlex.join(["python", "-m", room, *argv]))
    return whole
