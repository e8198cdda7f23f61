"""Measure artefacts on devices: `python -m bench devices --on ssh://jetson adb://SERIAL --model FILE... --to ROWS`

Every device gets the wheel and the artefacts into a folder of its own and measures them with its own Python; TensorRT
engines are built there first. A device or a file that fails costs its row, which says 'unsupported: why'. The same
command goes on where it was cut off: rows with figures are not measured again, and a measurement that had ended on a
device when the connection was lost is fetched and not repeated.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import devices
from bench.devices import benchmark_model
from bench.devices.adb import Adb
from edgewing import containers, files, measure, models, row_fields, rows
from edgewing.contract import Contract
from edgewing.errors import InputError
from edgewing.outputs import Rows

EXAMPLE = "--on local ssh://pi@raspberry adb://R58M123 --model edgewing-s --to rows.jsonl"

ROOT = Path(__file__).parents[2]
LEAST_PYTHON = (3, 10)
ROW_LIMIT = 1 << 20  # bytes of a row that comes from a device
MOST_ENTRIES = 200  # of a list or an object in it
# What of such a row is taken over.
FIELDS = [name.removesuffix("?") for name in row_fields.LATENCY] + ["date", "versions"]
BUILD_SECONDS, EXTRA_SECONDS = 3600, 240  # for an engine; for loading and warming up beside the mode's own seconds


@dataclass(frozen=True)
class Job:
    """One file to measure, how."""

    path: Path
    about: dict
    contract: Contract
    mode: str
    threads: int
    clock: str

    @property
    def folder(self) -> str:
        return self.about["sha256"][:12]

    @property
    def file(self) -> str:
        """Its name in the device's folder."""
        return f"{self.folder}/{self.path.name}"

    @property
    def row(self) -> str:
        """Name of its row there."""
        return f"{self.folder}/{self.mode}-{self.threads}-{self.clock}.json"

    @property
    def builds(self) -> bool:
        """Whether an engine is built of it there."""
        return self.contract.model.format == "tensorrt" and containers.format_of(self.path) == "onnx"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--on", nargs="+", required=True, metavar="DEVICE", help="local, ssh://USER@HOST, adb://SERIAL")
    parser.add_argument("--model", nargs="+", required=True, metavar="FILE", help="artefacts, or shipped models")
    parser.add_argument("--to", required=True, type=Rows, metavar="ROWS", help="append the rows to this file")
    parser.add_argument("--mode", choices=measure.MODES, default="quick", help=measure.MODE_HELP)
    parser.add_argument("--threads", type=int, default=1, help="threads of the runtime (default: %(default)s)")
    parser.add_argument("--clock", choices=measure.CLOCKS, default="model", help="what is timed (default: %(default)s)")
    parser.add_argument("--python", default="", metavar="FILE", help="Python on all of them (default: python3)")
    parser.add_argument("--folder", default="", metavar="DIR", help="ours, there (default: ~/.cache/edgewing-bench)")
    parser.add_argument("--wheel", metavar="FILE", help="edgewing's wheel (default: built from this repository)")
    parser.add_argument("--ssh-config", default="", metavar="FILE", help="for ssh -F (default: ssh's own)")
    parser.add_argument("--benchmark-model", metavar="FILE", help="LiteRT's program, run on adb:// in Python's place")


def main(to: str, **how) -> None:
    measured = failed = 0
    for job, row in device_rows(Path(to), **how):
        rows.append(to, row)
        failed += "not_run" in row
        measured += "not_run" not in row
        print(_line(job, row), flush=True)
    if failed and not measured:
        raise InputError(f"nothing could be measured; the reasons stand above and in {to}")
    print(f"{measured} measured" + (f", {failed} could not be" if failed else ""))
    print(f"wrote {to}")


def device_rows(
    log: Path, on: Sequence[str], model: Sequence[str | Path], *, mode: str = "quick", threads: int = 1,
    clock: str = "model", python: str = "", folder: str = "", wheel: str | None = None, ssh_config: str = "",
    benchmark_model: str | None = None, command: str = "",
) -> Iterator[tuple[Job, dict]]:  # fmt: skip
    """A row for each file on each device, some of them perhaps 'unsupported', but those that are in ``log``."""
    reached = [devices.open(address, folder=folder, python=python, ssh_config=ssh_config) for address in on]
    paths = [models.find(name) for name in model]
    jobs = [Job(path, measure.artefact(path), containers.read_contract(path), mode, threads, clock) for path in paths]
    program = Path(benchmark_model) if benchmark_model else None
    if program and not program.is_file():
        raise InputError(f"{program}: no such file; give LiteRT's benchmark_model for the device")
    known = rows.read(log)[0] if log.exists() else []
    with tempfile.TemporaryDirectory() as place:
        built = Path(wheel) if wheel else None
        for device in reached:
            left = [job for job in jobs if not _is_done(device, job, known)]
            print(f"{device.address}: {len(left)} to measure, {len(jobs) - len(left)} measured before", flush=True)
            if left and built is None and not (program and isinstance(device, Adb)):
                built = build_wheel(Path(place))
            yield from visit(device, left, built, program, command)


def visit(
    device: devices.Device, jobs: list[Job], wheel: Path | None, program: Path | None, command: str
) -> Iterator[tuple[Job, dict]]:
    """Every job with its row, figures or the reason why there are none."""
    prepared, lost = None, ""
    for job in jobs:
        try:
            if lost:
                raise devices.Gone(lost)
            if prepared is None:
                prepared = _prepare(device, wheel, program)
            row = prepared(job)
            own = {name: row[name] for name in ("date", "versions", "machine") if name in row}  # the device's
            row = {**row, **rows.header("latency", row["artefact"], row["protocol"], command), **own}
            row["device"] = {"address": device.address, **row["device"]}
            row = rows.check(rows.printable(row))
        except devices.Gone as error:
            lost = str(error)
            row = _unsupported(device, job, f"the device is gone: {lost}", command)
        except InputError as error:
            row = _unsupported(device, job, str(error), command)
        except Exception as error:  # whatever a device makes of what it says is no reason to lose the others
            row = _unsupported(device, job, f"what came back cannot be used ({type(error).__name__}: {error})", command)
        yield job, row


def build_wheel(folder: Path) -> Path:
    """edgewing's wheel, of a copy of this tree: building leaves files behind."""
    tree = folder / "tree"
    shutil.copytree(ROOT / "edgewing", tree / "edgewing", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tree)
    words = ["pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    call = [sys.executable, "-m", *words, "-w", str(folder), str(tree)]
    done = subprocess.run(call, capture_output=True, text=True)
    found = sorted(folder.glob("*.whl"))
    if done.returncode or not found:
        said = done.stderr.strip().splitlines() or ["no word"]
        raise InputError(f"the wheel could not be built ({said[-1]}); give one with --wheel")
    return found[0]


def _prepare(device: devices.Device, wheel: Path | None, program: Path | None):
    """Put what measures on the device; a function from Job to the row's figures."""
    if program and isinstance(device, Adb):
        benchmark_model.check_program(program, device.check("uname -m").decode().strip())
        device.push(program.read_bytes(), "benchmark_model")
        device.check(f"chmod 755 {device.place('benchmark_model')}")
        return lambda job: _by_program(device, job)
    if isinstance(device, Adb):
        device = device.termux() or device
    _check_python(device)
    data = files.read(wheel, files.LARGEST_MODEL)
    site = f"site-{measure.artefact(wheel)['sha256'][:12]}"
    if device.shell(f"test -d {device.place(site)}").code:
        whl, part = device.place("edgewing.whl"), device.place(f"{site}.part")
        device.push(data, "edgewing.whl")
        # those of other versions go; an unpacking that is cut off leaves no folder of the right name
        device.check(f"rm -rf {device.place('')}site-*; {device.python} -m zipfile -e {whl} {part}")
        device.check(f"mv {part} {device.place(site)}; rm -f {whl}")
    return lambda job: _by_python(device, job, site)


def _check_python(device: devices.Device) -> None:
    """InputError where there is no Python that edgewing runs on, or no numpy."""
    ask = "import sys; print(*sys.version_info[:2], flush=True); import numpy"
    done = device.shell(f"{device.python} -c {shlex.quote(ask)}")
    version = done.out.decode(errors="replace").split()
    if len(version) != 2 or not all(part.isdecimal() for part in version):
        raise InputError(f"no Python there ({done.reason}); name one with --python")
    if tuple(map(int, version)) < LEAST_PYTHON:
        raise InputError(f"Python there is {'.'.join(version)}; edgewing needs 3.10 or later, name one with --python")
    if done.code:
        raise InputError(f"no numpy there; {device.python} -m pip install numpy, and a runtime such as ai-edge-litert")


def _by_python(device: devices.Device, job: Job, site: str) -> dict:
    """The row that edgewing.measure makes there, or has made before the connection was lost."""
    _push(device, job)
    file, built = job.file, {}
    place, python = f"cd {shlex.quote(device.folder)}", f"PYTHONPATH={site} {device.python} -m"
    if job.builds:
        done = device.shell(f"{place} && {python} edgewing.build {shlex.quote(file)}", seconds=BUILD_SECONDS)
        if done.code:
            raise InputError(done.reason)
        file, built = str(Path(file).with_suffix(".engine")), {"built_from": job.about}
    data = device.fetch(job.row)
    if data is None:
        words = ["--model", file, "--json", job.row, "--mode", job.mode, "--threads", str(job.threads)]
        words += ["--clock", job.clock]
        seconds = 2 * measure.MODES[job.mode].seconds + EXTRA_SECONDS
        # What it says goes through a file: where the connection is lost, its first word would be its end. And through
        # `head`: what never stops talking would fill the board's disk.
        said, code = (shlex.quote(f"{job.row}.{what}") for what in ("said", "code"))
        talk = f"{{ {python} edgewing.measure {shlex.join(words)}; echo $? >{code}; }} 2>&1"
        line = (
            f"{place} && {talk} | head -c {devices.MOST_SAID + 1} >{said}; cat {said}; code=$(cat {code}); "
            f"rm -f {said} {code}; exit $code"
        )
        done = device.shell(line, seconds=seconds)
        if done.code:
            raise InputError(_missing(done))
        data = device.fetch(job.row)
    row = _read(data)
    if not job.builds and row["artefact"]["sha256"] != job.about["sha256"]:
        raise InputError(f"the file measured there has other bytes, sha256 {row['artefact']['sha256'][:12]}")
    device.shell(f"rm -f {device.place(job.row)}")
    row["artefact"]["path"] = str(job.about["path"]) if not built else os.path.basename(file)
    return row | built


def _by_program(device: Adb, job: Job) -> dict:
    """The row by LiteRT's benchmark_model, with what the shell tells of the device."""
    if containers.format_of(job.path) != "tflite":
        raise InputError("benchmark_model runs .tflite files alone")
    if job.clock != "model":
        raise InputError(f"benchmark_model times the graph alone; leave --clock {job.clock} out")
    _push(device, job)
    before = _sensors(device)
    batch = job.contract.input.shape[0]
    row = benchmark_model.time_there(device, "benchmark_model", job.file, job.mode, job.threads, batch)
    after = _sensors(device)
    props = {"name": "ro.product.model", "chip": "ro.soc.model", "android": "ro.build.version.release"}
    about = {key: _say(device, f"getprop {name}") for key, name in props.items()}
    return row | {
        "artefact": dict(job.about),
        "model": measure.model_of(job.contract),
        "device": {
            "name": about["name"],
            "chip": about["chip"],
            "system": f"Android {about['android']}",
            "clocks": after["clocks"],
            "celsius_before": before["celsius"],
            "celsius_after": after["celsius"],
            # Android shows its shell no brakes: a clock's limit that has been lowered is what can be seen
            "throttled": {
                "seen": after["limits"] < before["limits"] if before["limits"] else None,
                "brakes": {},
            },
        },
        "energy": None,
        "versions": {},
        "machine": _machine(device, about["chip"]),
    }


def _machine(device: devices.Device, chip: str) -> dict:
    """What measure.machine says, as far as a shell can."""
    cores, load = _say(device, "nproc"), _say(device, "cat /proc/loadavg").split()
    return {
        "cpu": chip,
        "cores": int(cores) if cores.isdecimal() else 1,
        "system": _say(device, "uname -srm"),
        "load": float(load[0]) if load else 0.0,
    }


def _sensors(device: devices.Device) -> dict:
    """Temperatures, governors and clocks of an Android device, those that its shell may read."""
    line = (
        'for z in /sys/class/thermal/thermal_zone*; do echo "t $(cat $z/type 2>/dev/null) $(cat $z/temp 2>/dev/null)"; '
        'done; for p in /sys/devices/system/cpu/cpufreq/policy*; do echo "c ${p##*/} $(cat $p/scaling_governor '
        '$p/scaling_cur_freq $p/scaling_max_freq 2>/dev/null | tr "\\n" " ")"; done'
    )
    celsius, clocks, limits = {}, {}, []
    for words in map(str.split, device.shell(line).out.decode(errors="replace").splitlines()):
        if len(words) == 3 and words[0] == "t" and words[2].lstrip("-").isdigit():
            value = int(words[2])
            celsius[words[1]] = round(value / 1000 if abs(value) > 1000 else value, 1)  # some zones say whole degrees
        if len(words) == 5 and words[0] == "c" and words[3].isdigit() and words[4].isdigit():
            limits.append(int(words[4]))
            clocks[words[1]] = {"governor": words[2], "mhz": int(words[3]) // 1000, "most_mhz": limits[-1] // 1000}
    return {"celsius": celsius, "clocks": clocks, "limits": limits}


def _say(device: devices.Device, line: str) -> str:
    done = device.shell(line)
    return devices.said(done.out.decode(errors="replace")) if done.code == 0 else ""


def _push(device: devices.Device, job: Job) -> None:
    if job.path.is_dir():
        raise InputError("a package is not run by edgewing.measure; measure the .tflite or .onnx of the same export")
    device.push(files.read(job.path, files.LARGEST_MODEL), job.file)


def _missing(done: devices.Done) -> str:
    """The reason, with what to do where a library of the runtime is what lacks."""
    if "ModuleNotFoundError" in done.reason:
        return f"{done.reason}; install it there"
    return done.reason


def _read(data: bytes | None) -> dict:
    """A row that came from a device: what it must have to be one."""
    try:
        if data is None or len(data) > ROW_LIMIT:
            raise ValueError("nothing, or too much")
        row = rows.parse(data)
        row = _clipped({name: row[name] for name in FIELDS if name in row})
        for name in ("artefact", "protocol", "device", "machine", "versions"):
            if not isinstance(row[name], dict):
                raise ValueError(f"{name} is no object")
        return {**row, "artefact": {**row["artefact"], "sha256": str(row["artefact"]["sha256"])}}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"what came back is no row ({error}); is another edgewing there?") from None


def _clipped(value):
    """The same value with texts and lists no longer than a measurement gives."""
    if isinstance(value, dict):
        return {devices.said(key): _clipped(value[key]) for key in list(value)[:MOST_ENTRIES]}
    if isinstance(value, list):
        return [_clipped(v) for v in value[:MOST_ENTRIES]]
    return devices.said(value) if isinstance(value, str) else value


def _unsupported(device: devices.Device, job: Job, reason: str, command: str) -> dict:
    row = rows.header("latency", job.about, {"mode": job.mode, "threads": job.threads, "clock": job.clock}, command)
    row |= {"versions": {}, "machine": {}, "device": {"address": device.address}}
    return {**row, "not_run": f"unsupported: {devices.said(reason)}"}


def _is_done(device: devices.Device, job: Job, known: list[dict]) -> bool:
    """Whether a row with figures says the same of the same bytes on the same device."""
    for row in known:
        p, of = row["protocol"], (row.get("built_from") or row["artefact"]).get("sha256")
        same = (p.get("mode"), p.get("threads"), of) == (job.mode, job.threads, job.about["sha256"])
        clock = str(p.get("clock", "")).split(":")[0] == measure.CLOCKS[job.clock].split(":")[0]
        there = isinstance(row.get("device"), dict) and row["device"].get("address") == device.address
        if row["kind"] == "latency" and "not_run" not in row and same and clock and there:
            return True
    return False


def _line(job: Job, row: dict) -> str:
    if "not_run" in row:
        return f"  {job.path.name}: {row['not_run']}"
    shown = [f"{name} {row[f'{name}_ms']:.2f}" for name in ("p50", "p90", "p99", "mean") if row.get(f"{name}_ms")]
    return f"  {job.path.name}: {', '.join(shown)} ms; {row['runtime']}"
