"""``python -m edgewing.trial FILE...``"""

from __future__ import annotations

from edgewing.commands import Parser, command
from edgewing.trial import remember


def main(argv: list[str] | None = None) -> None:
    parser = Parser(
        prog="python -m edgewing.trial",
        description="Vouch for model files: they are opened from now on without being tried in a process with limits.",
        epilog="example: python -m edgewing.trial face-int8.tflite",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="a model that you made, on another machine")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    with command(parser, argv) as typed:
        for file in typed.files:
            remember(file)
            print(f"{file}: opened without a trial from now on")


if __name__ == "__main__":
    main()
