"""`python -m bench VERB`: accuracy, agreement, latency, race, peers, measure, devices, gate, report, card."""

from __future__ import annotations

import argparse
import shlex
import sys

from bench import (
    accuracy,
    agreement,
    artefacts,
    boxes,
    card,
    gate,
    graphs,
    latency,
    memory,
    peers,
    peers_page,
    race,
    report,
    steadiness,
    training,
)
from bench.devices import campaign
from bench.faces import VALIDATION
from edgewing import hints, measure, rows
from edgewing.errors import InputError, command
from train import runs


def main(argv: list[str] | None = None) -> int:
    """0: done. 1: done, but the report shows a rejected artefact. 2 (by exit): the input was wrong."""
    argv = sys.argv[1:] if argv is None else argv
    with command(_parser(), argv) as arguments:
        if getattr(arguments, "threads", 1) < 1:
            raise InputError(f"--threads {arguments.threads}: give 1 or more")
        return arguments.verb(arguments, argv)


def _measure(arguments: argparse.Namespace, argv: list[str]) -> int:
    """Accuracy and latency of every artefact of a run. What cannot be measured costs its row, not the others."""
    run = runs.find(arguments.run)
    found, problems = artefacts.find(run)
    for problem in problems:
        print(f"passed over: {problem}", file=sys.stderr)
    if not found:
        raise InputError(f"{run}/export: no artefact; make some with: python -m targets {run}")
    log, faces, parser, rows_made = run / "rows.jsonl", run / VALIDATION, _parser(), 0
    for path, contract in found:
        print(f"\n{path}", flush=True)
        pictures = run / "bench" / f"{path.name}-faces.npz"
        pictures.parent.mkdir(exist_ok=True)
        score = ["accuracy", "--model", str(path), "--data", arguments.data or str(run), "--pictures", str(pictures)]
        score += ["--layout", arguments.layout] if arguments.layout else []
        time = ["latency", "--model", str(path), "--mode", arguments.mode]
        time += ["--faces", str(faces)] if faces.is_file() else []
        for words in (score, time):
            words += ["--threads", str(arguments.threads)]
            kind, parsed = words[0], parser.parse_args(words)
            try:
                # ONNX Runtime can score a TensorRT package's graph, but its time says nothing about TensorRT's.
                lacking = latency.needs(path, contract)
                if lacking and (contract.model.format == "coreml" or kind == "latency"):
                    raise InputError(lacking)
                row, text = _row(kind, parsed, _command(words))
                rows_made += 1
            except InputError as error:
                row, text = latency.not_run(kind, str(path), str(error), _command(words)), f"{kind}: not run: {error}"
            print(text, flush=True)
            rows.append(log, row)
    if not rows_made:
        raise InputError(f"{run}: nothing could be measured; the reasons stand above and in {log}")
    print(f"\nwrote {log}")
    print(hints.next_line("python -m bench report", run))
    return 0


def _row(kind: str, arguments: argparse.Namespace, text: str) -> tuple[dict, str]:
    """One measurement and how it reads on a terminal."""
    if kind == "accuracy":
        row = accuracy.score_both(arguments, text)
        return row, accuracy.describe(row)
    row = latency.time_artefact(arguments, text)
    return row, latency.describe(row)


def _one(arguments: argparse.Namespace, argv: list[str]) -> int:
    """`accuracy` and `latency`: one artefact, one row."""
    row, text = _row(argv[0], arguments, _command(argv))
    print(text)
    if getattr(arguments, "plot", None):
        print(f"wrote {arguments.plot}")
    _keep(arguments, [row])
    model = shlex.quote(arguments.model)
    others = {"accuracy": f"latency --model {model}", "latency": f"accuracy --model {model} --data DIR --layout NAME"}
    print(hints.next_line(f"python -m bench {others[argv[0]]}"))
    return 0


def _keep(arguments: argparse.Namespace, made: list[dict]) -> None:
    """Rows to where --json and --to say, and the lines that tell of it."""
    if getattr(arguments, "json", None):
        measure.write(arguments.json, made[0])
        print(f"wrote {arguments.json}")
    if arguments.to:
        for row in made:
            rows.append(arguments.to, row)
        print(f"wrote {arguments.to}")


def _training(arguments: argparse.Namespace, argv: list[str]) -> int:
    """Speed of training, and the cost of what surrounds the network."""
    made = training.measure(arguments, _command(argv))
    for row in made:
        print(training.describe(row))
    _keep(arguments, made)
    print(hints.next_line("python -m train fit drawn --layout 300w-68 --recipe demo --run demo"))
    return 0


def _agreement(arguments: argparse.Namespace, argv: list[str]) -> int:
    row = agreement.compare(arguments, _command(argv))
    print(agreement.describe(row))
    _keep(arguments, [row])
    print(hints.next_line("python -m bench accuracy --data DIR --layout NAME --model", arguments.model))
    return 0


def _race(arguments: argparse.Namespace, argv: list[str]) -> int:
    """Several files in turn, a row each."""
    made = race.race(arguments, _command(argv))
    race.print_table(made)
    _keep(arguments, made)
    ours = [row for row in made if row["model"]["contract"]]
    if ours:
        fastest = min(ours, key=lambda row: row["cpu_ms"])["artefact"]["path"]
        print(hints.next_line("python -m bench accuracy --data DIR --layout NAME --model", fastest))
    return 0


def _peers(arguments: argparse.Namespace, argv: list[str]) -> int:
    """Ours beside models of others, a row each, a picture and a table."""
    made = peers.compare(arguments, _command(argv))
    peers_page.print_table(made)
    _keep(arguments, made)
    for path in peers_page.write(made, arguments.plot, arguments.table):
        print(f"wrote {path}")
    print(hints.next_line("python -m bench report RUN --peers", arguments.to or "ROWS"))
    return 0


def _card(arguments: argparse.Namespace, argv: list[str]) -> int:
    written = card.write(arguments)
    for path in written:
        print(f"wrote {path}")
    print(hints.next_line("git add", *written))
    return 0


def _gate(arguments: argparse.Namespace, argv: list[str]) -> int:
    return gate.main(arguments, _command(argv))


def _devices(arguments: argparse.Namespace, argv: list[str]) -> int:
    return campaign.main(arguments, _command(argv))


def _steadiness(arguments: argparse.Namespace, argv: list[str]) -> int:
    row = steadiness.measure_all(arguments, _command(argv))
    print(steadiness.describe(row))
    if arguments.plot:
        print(f"wrote {arguments.plot}")
    _keep(arguments, [row])
    print(hints.next_line("edgewing camera --model", arguments.model))
    return 0


def _memory(arguments: argparse.Namespace, argv: list[str]) -> int:
    row = memory.watch(arguments, _command(argv))
    print(memory.describe(row))
    _keep(arguments, [row])
    print(hints.next_line("edgewing camera --model", arguments.model))
    return 0 if row["accepted"] else 1


def _detectors(arguments: argparse.Namespace, argv: list[str]) -> int:
    made = boxes.cost(arguments, _command(argv))
    _keep(arguments, made)
    print(hints.next_line("edgewing run IMAGE --detector", made[0]["detector"]))
    return 0


def _report(arguments: argparse.Namespace, argv: list[str]) -> int:
    return report.main(arguments, _command(argv))


def _command(words: list[str]) -> str:
    return shlex.join(["python", "-m", "bench", *words])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure exported artefacts and report.")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, main, purpose: str, example: str, more: str = "") -> argparse.ArgumentParser:
        added = verbs.add_parser(
            name,
            help=purpose,
            description=purpose,
            epilog=f"{more}\nexample: python -m bench {name} {example}".lstrip(),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        added.set_defaults(verb=main)
        added.add_argument("--debug", action="store_true", help="show the traceback of an error")
        return added

    accuracy.add_arguments(
        verb(
            "accuracy",
            _one,
            "NME, FR and AUC of one artefact on one set of pictures, or of two, one by one.",
            "--model face-int8.tflite --data lfpw/testset --layout 300w-68 --json accuracy.json",
        )
    )
    latency.add_arguments(
        verb(
            "latency",
            _one,
            "Latency, load time and peak memory of one artefact on this machine.",
            "--model face-int8.tflite --json latency.json",
        )
    )
    agreement.add_arguments(
        verb(
            "agreement",
            _agreement,
            "A model's landmarks against its teacher's on UTKFace, by age and by sex.",
            "--model edgewing-s --teacher runs/large --data utkface --to rows.jsonl",
        )
    )
    race.add_arguments(
        verb(
            "race",
            _race,
            "Processor time of several files in one process, in turn, against a reference; also models of others.",
            "edgewing-s edgewing-m --reference cache/mediapipe/modules/face_landmark/face_landmark.tflite "
            "--to rows.jsonl",
            graphs.__doc__,
        )
    )
    peers.add_arguments(
        verb(
            "peers",
            _peers,
            "Our files beside models of others: the same faces, one core, one run; rows and a picture.",
            "edgewing-s edgewing-m FOLDER --data lfpw/testset --to rows.jsonl --plot peers.svg",
            peers.__doc__,
        )
    )
    whole = verb(
        "measure",
        _measure,
        "Accuracy and latency of every artefact in RUN/export, appended to RUN/rows.jsonl.",
        "runs/demo-s --data lfpw/testset --layout 300w-68",
    )
    whole.add_argument("run", metavar="RUN", help=f"{runs.ABOUT}; with export/")
    whole.add_argument("--data", metavar="DIR", help="photographs with landmarks (default: those the run holds out)")
    whole.add_argument("--layout", default="", metavar="NAME", help="layout of the data (default: that of the run)")
    whole.add_argument("--mode", choices=measure.MODES, default="quick", help=measure.MODE_HELP)
    whole.add_argument("--threads", type=int, default=1, help="threads of the runtime (default: %(default)s)")
    training.add_arguments(
        verb(
            "training",
            _training,
            "Images a second of training, and ground truth and augmentation against a per-sample pipeline.",
            "--to training.jsonl",
            training.__doc__,
        )
    )
    gate.add_arguments(
        verb(
            "gate",
            _gate,
            "For CI: is a changed file worse or slower than the one in use? Exit code 1 if it is.",
            "new/edgewing-s.tflite --baseline bench/results/edgewing-s.jsonl --data lfpw/testset",
            gate.MORE,
        )
    )
    campaign.add_arguments(
        verb(
            "devices",
            _devices,
            "Latency of artefacts on boards and phones: here, over ssh, over adb.",
            "--on local ssh://pi@raspberry adb://R58M123 --model edgewing-s --to rows.jsonl",
            campaign.__doc__,
        )
    )
    steadiness.add_arguments(
        verb(
            "steadiness",
            _steadiness,
            "Jitter and lag of tracked landmarks, as the model gives them and as they are shown.",
            "--model edgewing-m --data lfpw/testset --clips single_face.mp4 --to rows.jsonl",
            steadiness.__doc__,
        )
    )
    memory.add_arguments(
        verb(
            "memory",
            _memory,
            "Resident memory of edgewing camera over an hour of a looped video; exit code 1 where it grows.",
            "--model edgewing-s --source single_face.mp4 --to rows.jsonl",
            memory.__doc__,
        )
    )
    boxes.add_arguments(
        verb(
            "detectors",
            _detectors,
            "NME with the boxes of face detectors against NME with true boxes, on the same faces.",
            "--model edgewing-m --data lfpw/testset --layout 300w-68 --to rows.jsonl",
            boxes.__doc__,
        )
    )
    report.add_arguments(
        verb("report", _report, "Print the table of one or more runs and write the HTML report.", "runs/demo-s")
    )
    card.add_arguments(
        verb("card", _card, "Write the card of shipped models from their contract and committed rows.", "edgewing-s")
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
