"""What a device says is not to be trusted: it may cost its own row, and nothing else.

The device is this machine, with a Python in its place that is a script of the test.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench import devices
from bench.devices import benchmark_model, campaign, local
from edgewing import children, measure, rows
from edgewing.errors import InputError
from tests.bench.conftest import artefact, template  # noqa: F401
from tests.bench.devices.conftest import rows_of_command

RESULTS = Path(campaign.ROOT) / "bench" / "results"
SCRIPT = """#!/bin/sh
case "$*" in
  *"import numpy"*) {version} ;;
  *"-m zipfile"*) mkdir -p "$5" ;;
  *edgewing.measure*) {measure} ;;
esac
"""


@pytest.fixture
def visit(tmp_path, artefact, capsys):  # noqa: F811
    """visit(measure, version, row) gives the rows of two files on a device whose Python answers so, and what was said.

    measure: lines of a shell, with $6 the row's name. row: changes of a good row, or bytes, which lie in $ROW."""

    def run(measure_line='cp "$ROW" "$6"', version="echo 3 11", row=None):
        models = [artefact(tmp_path / f"{name}.onnx", template() + i) for i, name in enumerate("ab")]
        script, log, wheel = tmp_path / "python", tmp_path / "rows.jsonl", tmp_path / "edgewing.whl"
        script.write_text(SCRIPT.format(version=version, measure=measure_line))
        script.chmod(0o755)
        wheel.write_bytes(b"no wheel")
        (tmp_path / "row.json").write_bytes(row if isinstance(row, bytes) else good(models[0], row or {}))
        words = ["--on", "local", "--folder", tmp_path / "there", "--wheel", wheel]
        words += ["--python", f"env ROW={tmp_path / 'row.json'} {script}", "--model", *models]
        made = rows_of_command(*words, log=log)
        said = capsys.readouterr()
        assert rows.read(log)[1] == [] and len(made) == 2 and log.stat().st_size < 20_000
        assert all(line.isprintable() for line in (said.out + said.err).splitlines())
        return made, said.out

    return run


def good(model, changes):
    """A row as edgewing.measure gives it of this file, with some fields changed; None leaves one out."""
    row = next(row for row in rows.read(RESULTS / "demo.jsonl")[0] if row["kind"] == "latency" and "not_run" not in row)
    row = row | {"artefact": measure.artefact(model), "device": {"name": "Board"}} | changes
    return json.dumps({name: value for name, value in row.items() if value is not None}).encode()


def test_a_good_row_is_taken_and_no_more_than_its_fields(visit):
    made, _ = visit(row={"pictures": "/etc/passwd", "not_run": "x", "kind": "accuracy", "device": {"name": "\x1b[2JB"}})
    assert made[0]["p50_ms"] > 0 and made[0]["device"] == {"address": "local", "name": "\ufffd[2JB"}
    assert made[0]["kind"] == "latency" and not {"pictures", "not_run"} & set(made[0])
    assert "other bytes" in made[1]["not_run"]  # it gave the first file's row again


HOSTILE_ROWS = [
    {"p50_ms": float("nan")},
    {"p50_ms": "fast"},
    {"p50_ms": 10**400},
    {"runs": True},
    {"mean_ms": None},
    {"device": {"celsius_before": {"cpu": "hot"}}},
    {"device": {"throttled": "no"}},
    {"machine": []},
    {"machine": {"cpu": 1, "cores": 0, "system": "", "load": -1}},
    {"versions": {"python": 3}},
    {"date": {"at": "once"}},
    {"model": {"name": []}},
    {"percentiles_ms": [1] * 100_000},
    {"artefact": {"path": "a", "sha256": ["x"], "bytes": 1}},
    {"protocol": {"clock": None}},
    {"runtime": 7},
    {"energy": {"watts": "many"}},
    b"",
    b"[]",
    b"{" * 100_000,
    b"[" * 100_000,
    b"\xff\xfe\x00",
    b'{"p50_ms": 1e999}',
    b'{"artefact": ' + b"9" * 6000 + b"}",
    b"x" * (campaign.ROW_LIMIT + 1),
]


@pytest.mark.parametrize("row", HOSTILE_ROWS, ids=lambda row: repr(row)[:30])
def test_a_row_that_is_none_costs_itself(visit, row):
    made, _ = visit(row=row)
    assert all(one["not_run"].startswith("unsupported: ") for one in made)


def test_long_and_unprintable_texts_are_cut_and_cleaned(visit):
    made, out = visit(row={"runtime": "\x1b]0;title\x07" + "r" * 100_000, "fallback": "\ud800\u202e\n"})
    assert made[0]["runtime"].startswith("\ufffd]0;title\ufffd") and len(made[0]["runtime"]) < 400
    assert made[0]["fallback"] == "\ufffd\ufffd" and "\ufffd]0;title" in out


@pytest.mark.parametrize(
    ("line", "version", "said"),
    [
        (r"printf '\033[2J\033]0;x\007gone \377\n' >&2; exit 1", "echo 3 11", "\ufffd[2J\ufffd]0;x\ufffdgone \ufffd"),
        ("yes | head -c 100000 >&2; exit 1", "echo 3 11", "y"),
        (":", r"printf '\033[2J'", "no Python there"),
        (":", "echo ² ³", "no Python there"),
        (":", "yes 3", "the device is gone: it says more than 4 MiB"),
        ("yes", "echo 3 11", "the device is gone: it says more than 4 MiB"),
        ("yes >&2", "echo 3 11", "the device is gone: it says more than 4 MiB"),
        ("echo edgewing-end 0", "echo 3 11", "what came back is no row"),
        ("echo edgewing-end 0; exit 3", "echo 3 11", "edgewing-end 0"),
    ],
)
def test_hostile_answers(visit, tmp_path, line, version, said):
    made, _ = visit(line, version)
    left = [path.stat().st_size for path in (tmp_path / "there").rglob("*") if path.is_file()]
    assert sum(left) < 2 * devices.MOST_SAID  # a board's disk is small
    assert said in made[0]["not_run"] and len(made[0]["not_run"]) < 400
    assert all(one["not_run"].startswith("unsupported: ") for one in made)


@pytest.mark.parametrize("where", ["version", "measure"])
def test_what_hangs_is_ended_there_too(visit, monkeypatch, tmp_path, where):
    """A Python that never answers, and the processes that it has started."""
    monkeypatch.setattr(devices, "SECONDS", 1)
    monkeypatch.setattr(campaign, "EXTRA_SECONDS", 1 - 2 * measure.MODES["quick"].seconds)
    line = f"sleep 987 & echo $! >> {tmp_path}/pids; echo $$ >> {tmp_path}/pids; sleep 987"
    made, _ = visit(**{"version": {"version": line}, "measure": {"measure_line": line}}[where])
    assert [one["not_run"] for one in made] == ["unsupported: did not end within 1 s, and was ended there"] * 2
    pids = (tmp_path / "pids").read_text().split()
    assert len(pids) == 4 and not any(alive(int(pid)) for pid in pids)


def test_a_line_ends_with_the_shell_that_runs_it(tmp_path):
    """Where a client here is ended, as by Ctrl-C, nothing of it goes on."""
    line = devices.guarded(f"sleep 986 & echo $! > {tmp_path}/pid; wait", 100)
    process = subprocess.Popen(["sh", "-c", line])
    pid = int(waited(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip()))
    process.send_signal(signal.SIGTERM)
    assert waited(lambda: not alive(pid))
    process.wait(300)


def test_a_mac_has_no_setsid(tmp_path):
    """perl makes the group there."""
    for name in ("sh", "perl", "sleep"):
        (tmp_path / name).symlink_to(f"/usr/bin/{name}")
    line = devices.guarded(f"sleep 985 & echo $! > {tmp_path}/pid; cat; wait", 1).replace("cat;", "read a; echo $a;")
    done = subprocess.run(["/bin/sh", "-c", line], env={"PATH": str(tmp_path)}, input=b"in", capture_output=True)
    assert done.returncode == 137 and done.stdout == b"in\n"
    assert waited(lambda: not alive(int((tmp_path / "pid").read_text())))


def test_a_child_ends_with_its_parent(tmp_path):
    code = (
        "import subprocess, sys, time; from edgewing import children\n"
        "p = subprocess.Popen(['sleep', '984'], preexec_fn=children.bound()); print(p.pid, flush=True); time.sleep(984)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    pid = int(parent.stdout.readline())
    assert alive(pid)
    parent.kill()
    parent.wait()
    assert waited(lambda: not alive(pid))
    assert children.bound() is not None


def test_figures_of_benchmark_model_are_figures():
    for text in ("count=" + "9" * 5000 + " avg=1", "count=3 first=1.2.3 avg=1e999", ""):
        with pytest.raises((InputError, ValueError)):
            benchmark_model.parse(f"{text}\nInit: 1, First inference: 1")


def test_a_device_that_floods_is_not_kept(tmp_path):
    device = local.Local("local", str(tmp_path))
    with pytest.raises(devices.Gone, match="says more than 4 MiB"):
        device.shell("yes")
    with pytest.raises(devices.Gone, match="says more than 4 MiB"):  # however its last byte comes
        device.shell(f"head -c {devices.MOST_SAID + 1} /dev/zero")
    assert len(device.shell(f"head -c {devices.MOST_SAID - 100} /dev/zero").out) == devices.MOST_SAID - 100
    assert device.shell("cat", b"x" * 1_000_000).out == b"x" * 1_000_000


def alive(pid: int) -> bool:
    """Whether it runs: one that has ended and was not waited for does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def waited(condition, seconds=300):
    """What it says, as soon as it says something: a busy machine takes many times as long as an idle one."""
    end = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < end:
        time.sleep(0.1)
    return found
