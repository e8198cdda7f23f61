"""python -m compress: a run into a smaller one. Each verb is a module with PURPOSE, EXAMPLE, add_arguments and main."""

from __future__ import annotations

import argparse
import sys

from compress import distill, finetune, ladder, qat, quantize, shapes, sweep
from edgewing import errors

VERBS = {
    "distill": distill,
    "prune": finetune,
    "quantize": quantize,
    "qat": qat,
    "ladder": ladder,
    "sweep": sweep,
    "shapes": shapes,
}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser("python -m compress", description="Make a run smaller, and faster on a device.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    for name, verb in VERBS.items():
        one = verbs.add_parser(
            name,
            help=verb.PURPOSE,
            description=verb.__doc__.partition("\n\n")[2] or verb.__doc__,
            epilog=f"example:\n  python -m compress {name} {verb.EXAMPLE}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        verb.add_arguments(one)
        one.add_argument("--debug", action="store_true", help="show what libraries say, and the traceback of an error")
    with errors.command(parser, arguments) as options:
        sys.exit(VERBS[options.verb].main(options) or 0)


if __name__ == "__main__":
    main()
