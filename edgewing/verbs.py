"""Commands of several verbs, each a module that is imported when it is typed: `--help` waits for none of them."""

from __future__ import annotations

import argparse
import importlib
import inspect
import shlex
import sys
from collections.abc import Mapping, Sequence
from types import ModuleType

from edgewing import commands
from edgewing.errors import InputError


def main(room: str, purpose: str, verbs: Mapping[str, tuple[str, str]], argv: Sequence[str] | None = None) -> int:
    """Of ``python -m ROOM``. 0: done. 2 (by exit): the input was wrong. Else what the verb gives."""
    argv = sys.argv[1:] if argv is None else argv
    with commands.command(parser(room, purpose, verbs, argv), argv) as options:
        if getattr(options, "threads", 1) < 1:
            raise InputError(f"--threads {options.threads}: give 1 or more")
        return run(options)


def parser(
    room: str, purpose: str, verbs: Mapping[str, tuple[str, str]], argv: Sequence[str]
) -> argparse.ArgumentParser:
    """Of ``python -m ROOM VERB``. verbs: name -> its module, and its purpose in a line.

    A module has EXAMPLE, add_arguments(parser) and main, a function of its options by name, which gives an exit code or
    None; what else its help says is its docstring, or MORE. Options get ``main``, and ``command``: what was typed.
    """
    program = f"python -m {room}"
    whole = commands.Parser(program, description=purpose)
    added = whole.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, (place, what) in verbs.items():
        if name not in argv[:1]:
            added.add_parser(name, help=what)
            continue
        module = _module(place)
        more = getattr(module, "MORE", None) or module.__doc__.partition("\n\n")[2]
        one = added.add_parser(
            name,
            help=what,
            description=f"{what[0].upper()}{what[1:]}\n\n{more}".strip(),
            epilog=f"example:\n  {program} {name} {module.EXAMPLE}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(one)
        for last in one._subparsers._group_actions[0].choices.values() if one._subparsers else [one]:
            last.add_argument(
                "--debug", action="store_true", help="show what libraries say, and the traceback of an error"
            )
        one.set_defaults(main=module.main, command=shlex.join(["python", "-m", room, *argv]))
    return whole


def _module(place: str) -> ModuleType:
    """Of a verb. A package that is missing, and Ctrl-C while torch is read, are one line, as all that fails later."""
    try:
        return importlib.import_module(place)
    except (ModuleNotFoundError, KeyboardInterrupt) as error:
        code, line = commands.ending(error)
        print(line, file=sys.stderr)
        sys.exit(code)


def run(options: argparse.Namespace) -> int:
    """The verb's exit code. Its main gets the options that it names, and with ``**`` the others too, but --debug."""
    given, kinds = dict(vars(options)), inspect.signature(options.main).parameters
    if not any(kind.kind is kind.VAR_KEYWORD for kind in kinds.values()):
        given = {name: value for name, value in given.items() if name in kinds}
    for name in {"main", "verb", "debug"} - kinds.keys():
        given.pop(name, None)
    return options.main(**given) or 0
