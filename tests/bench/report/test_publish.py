import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import onnx
import pytest

from bench.__main__ import main
from bench.report import artefacts, charts, publish
from bench.report.columns import cell
from edgewing import measure, rows
from tests.bench.conftest import parity, template

RESULTS = Path(publish.__file__).parents[1] / "results"
HOSTILE = "<script>alert(1)</script>&\"'"


@pytest.fixture
def measured(artefact, run_folder):
    """A run with an accepted fp32, a rejected int8 and a TensorRT file; accuracy is real, times are written down."""
    run = run_folder([(0, 0), (1, 0), (2, 0), (3, 0)], names=[f"{HOSTILE} {i}" for i in range(4)])
    exact, off = template(), template() + np.array([0, 1], np.float32)
    exports = {
        "onnx": artefact(run / "export/tiny-fp32.onnx", exact, measured=parity(p99=0.004)),
        "int8": artefact(
            run / "export/tiny-int8.rejected.onnx",
            off,
            "int8",
            measured=parity(False, p99=3.25, nme=0.056),
            name=HOSTILE,
        ),
        "trt": artefact(run / "export/tiny-tensorrt-fp16.onnx", exact, "fp16", "tensorrt", measured=parity(p99=0.02)),
    }
    log = [{"step": s, "loss": 10 / (s + 1), "nme": 0.5 / (s + 1)} for s in range(50)]
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log) + '{"step": 50, "lo')
    return run, exports


@pytest.fixture
def with_rows(measured, monkeypatch):
    """The same with accuracy rows, and latency rows measured here and in no time instead of 10 s each."""
    monkeypatch.setitem(measure.MODES, "quick", measure.Mode(128, 0.0))
    run, exports = measured
    for path in exports.values():
        out = run / "one.json"
        pictures = ["--pictures", str(run / "faces.npz")]
        main(["accuracy", "--model", str(path), "--data", str(run), "--json", str(out), *pictures])
        rows.append(run / "rows.jsonl", json.loads(out.read_text()))
        row = measure.latency_row(str(path))
        row = {**row, **rows.header("latency", row["artefact"], row["protocol"], "python -m bench latency")}
        if path != exports["trt"]:
            rows.append(run / "rows.jsonl", row | {"p50_ms": 1.25, "p90_ms": 1.5, "p99_ms": 2.75})
    return run


def text_of(html):
    pieces = []
    reader = HTMLParser()
    reader.handle_data = pieces.append
    reader.feed(html)
    return " ".join(" ".join(pieces).split())


def test_table_and_page(with_rows, capsys):
    capsys.readouterr()
    assert main(["report", str(with_rows)]) == 1  # int8 was rejected
    shown = capsys.readouterr().out
    html = (with_rows / "report.html").read_text()
    # errors 0, 1, 2, 3 px of 32: 4.69 %; int8 is 1 px further down: 0.03125 * (1, 1.414, 2.236, 3.162) = 6.10 %
    drop = f"{100 * ((1 + 2**0.5 + 5**0.5 + 10**0.5) / 6 - 1):+.2f} %"
    for part in ("4.69 %", "6.10 %", drop, "1.25 / 1.50 / 2.75", "not run: needs a GPU", "6.500", "rejected"):
        assert part in shown, part
        assert part in text_of(html), part
    lines = shown.splitlines()
    assert lines[-1].startswith("next: edgewing run") and "tiny-fp32.onnx" in lines[-1]
    assert lines[-2] == f"report: {with_rows / 'report.html'}" and lines[-3] == f"tables: {with_rows / 'report.md'}"
    rejected = next(line for line in lines if line.startswith("rejected: "))
    assert "tiny-int8.rejected.onnx" in rejected and "+12.00 %" in rejected and "3.250 px" in rejected
    tensorrt = next(line for line in lines if line.lstrip().startswith("tensorrt"))
    assert "1.25" not in tensorrt and "(a)" in tensorrt


def test_page_needs_nothing_else(with_rows):
    main(["report", str(with_rows)])
    html = (with_rows / "report.html").read_text()
    assert not re.search(r"""(src|href)\s*=\s*(?!["']?data:)""", html)
    assert not re.search(r"https?://|@import|url\(|<script|<link|<iframe", html)
    assert html.count("data:image/jpeg;base64,") == 3  # of four faces the best, a median and the worst


def test_hostile_names_are_escaped(with_rows):
    main(["report", str(with_rows)])
    html = (with_rows / "report.html").read_text()
    assert HOSTILE not in html and "<script" not in html
    assert HOSTILE in text_of(html)  # shown as the text it is


ATTACKS = [
    "<script>{}</script>",
    "</style></title></pre></svg><script>{}</script>",
    '"><img src=x onerror="{}">',
    "' onmouseover='{}' autofocus onfocus='{}' x='",
    '<svg onload="{}">',
    "{{{{ {} }}}}{{% raw %}}",
]
RUN_IT = "document.documentElement.dataset.ran=1"


def hostile(value, attack):
    """Every free text of a contract replaced by the attack."""
    if isinstance(value, dict):
        return {key if key != "torch" else attack: hostile(v, attack) for key, v in value.items()}
    if isinstance(value, list):
        return [hostile(v, attack) for v in value]
    return attack + value if isinstance(value, str) else value


def test_no_script_of_a_contract_runs(artefact, run_folder, tmp_path):
    """In a browser: names of the model, its layers, its data and terms, all of them with scripts inside."""
    browser = shutil.which("chromium") or shutil.which("google-chrome") or pytest.skip("needs chromium (apt)")
    run = run_folder([(0, 0), (1, 1)])
    for number, attack in enumerate(ATTACKS):
        text, path = attack.format(*[RUN_IT] * 2), run / f"export/{number}-fp32.onnx"
        artefact(path, template(), measured=parity())
        model = onnx.load(path)
        (said,) = model.metadata_props
        raw = json.loads(said.value)
        # a layout is checked when it is read, and its names with it
        fixed = {
            "layout": ("name", "object", "normalisers", "default_normaliser", "curves"),
            "input": ("axes", "dtype", "colour"),
            "crop": ("border",),
            "decode": ("method",),
            "model": ("format",),
        }
        changed = hostile(raw, text) | {"seal": raw["seal"], "outputs": raw["outputs"]}
        for part, fields in fixed.items():
            changed[part] |= {name: raw[part][name] for name in fields}
        changed["outputs"] = [o | {"name": text + o["name"], "unit": text} for o in raw["outputs"]]
        said.value = json.dumps(changed)
        onnx.save(model, path)
    words = {"not_run": "needs a Mac"}
    rows.append(
        run / "rows.jsonl", rows.header("latency", measure.artefact(path), {}, "python -m bench latency") | words
    )
    assert main(["report", str(run)]) == 0
    page = (run / "report.html").read_text()
    assert page.count(RUN_IT) >= 20 * len(ATTACKS)  # as text

    def ran(html: str) -> bool:
        path = tmp_path / "page.html"
        path.write_text(html)
        words = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
        shown = subprocess.run([browser, *words, "--dump-dom", path.as_uri()], capture_output=True, text=True)
        assert "</html>" in shown.stdout, shown.stderr
        return "data-ran" in shown.stdout[:200]

    assert ran(page.replace("</body>", f"<script>{RUN_IT}</script></body>"))
    assert not ran(page)


def test_protocol_contract_training_and_commands_are_there(with_rows):
    main(["report", str(with_rows)])
    text = text_of((with_rows / "report.html").read_text())
    for part in (
        "inter-ocular",
        "gtbox crop",
        "uint8 crop in",
        "layout.flip_pairs: [[0, 16], ",
        "python -m bench latency",
        "sha256",
        "loss",
    ):
        assert part in text, part


def test_newest_row_counts_and_protocols_do_not_mix(with_rows):
    found, _ = rows.read(with_rows / "rows.jsonl")
    last = next(row for row in reversed(found) if row["kind"] == "accuracy")
    other = last | {"protocol": last["protocol"] | {"normaliser": "box"}, "nme": 0.001}
    newer = found[0] | {"nme": 0.0777}
    rows.append(with_rows / "rows.jsonl", other)
    rows.append(with_rows / "rows.jsonl", newer)
    run = artefacts.read_run(with_rows)
    assert run.protocol["normaliser"] == "inter-ocular"
    assert run.entries[0].nme == 0.0777
    assert [row["nme"] for row in run.others] == [0.001]


def test_rows_of_another_file_are_not_used(with_rows, artefact):
    artefact(with_rows / "export/tiny-fp32.onnx", template() + 1, measured=parity())
    entry = artefacts.read_run(with_rows).entries[0]
    assert entry.accuracy is None and entry.latency is None


def test_without_accuracy_the_parity_figure_is_marked(with_rows):
    path = with_rows / "rows.jsonl"
    kept = [row for row in rows.read(path)[0] if row["kind"] == "latency"]
    path.unlink()
    for row in kept:
        rows.append(path, row)
    run = artefacts.read_run(with_rows)
    assert "5.60 % (b)" in [run.cells(entry)[3] for entry in run.entries]
    assert any("parity" in note for note in run.notes)
    main(["report", str(with_rows)])


def test_the_gates_own_words_are_shown(with_rows, capsys):
    found, _ = rows.read(with_rows / "rows.jsonl")
    rejected = next(row for row in found if "rejected" in row["artefact"]["path"])
    (parity, *_) = (row for row in rows.read(RESULTS / "demo.jsonl")[0] if row["kind"] == "parity")
    words = {"accepted": False, "reasons": ["p99 shift 3.250 px, limit 2 px", "and more"]}
    rows.append(with_rows / "rows.jsonl", parity | words | {"artefact": rejected["artefact"]})
    main(["report", str(with_rows)])
    text = text_of((with_rows / "report.html").read_text())
    for shown in (capsys.readouterr().out, text):
        assert "tiny-int8.rejected.onnx: p99 shift 3.250 px, limit 2 px; and more" in shown


def on_devices(run):
    """Rows as two devices gave them: a phone's by benchmark_model, without 90th and 99th percentile, and a board's."""
    found, _ = rows.read(run / "rows.jsonl")
    row = next(r for r in found if r["kind"] == "latency" and "rejected" not in r["artefact"]["path"])
    phone = {"address": "adb://R58", "name": "Phone", "chip": "Tensor", "throttled": {"seen": None, "brakes": {}}}
    none = dict.fromkeys(("p90_ms", "p99_ms", "peak_bytes"), None)
    plain = {key: value for key, value in row.items() if key not in ("percentiles_ms", "cpu_ms", "drift")}
    rows.append(run / "rows.jsonl", {**plain, **none, "p50_ms": 9.5, "device": phone, "runtime": "benchmark_model"})
    board = {"address": "ssh://pi@board", "name": "Board", "throttled": {"seen": True, "brakes": {}}}
    rows.append(run / "rows.jsonl", row | {"device": board, "p50_ms": 4.25})
    gone = {"address": "ssh://pi@gone"}
    rows.append(run / "rows.jsonl", row | {"device": gone, "machine": {}, "not_run": "unsupported: no answer"})
    return {**plain, **none, "p50_ms": 9.5, "runtime": "benchmark_model"}


def test_devices_stand_apart(with_rows):
    """Newer rows of other devices do not become this machine's times."""
    on_devices(with_rows)
    main(["report", str(with_rows)])
    text, tables = text_of((with_rows / "report.html").read_text()), (with_rows / "report.md").read_text()
    assert "adb://R58, Phone, Tensor" in text and "ssh://pi@board, Board" in text and "1.25 / 1.50 / 2.75" in text
    assert "### adb://R58, Phone, Tensor" in tables
    assert "| onnx fp32 | 9.50 / none / none |" in tables and "| benchmark_model | model | not told |" in tables
    assert "| onnx fp32 | 4.25 / 1.50 / 2.75 |" in tables and "| onnx fp32 | unsupported: no answer |" in tables
    assert tables.index("### local") < tables.index("### adb") < tables.index("### ssh")


def test_one_file_on_every_device_is_one_line(with_rows):
    """Of an engine too, whose row names the file that the board built it from."""
    row = on_devices(with_rows)
    (built,) = [r for r in rows.read(with_rows / "rows.jsonl")[0] if "tensorrt" in r["artefact"]["path"]][:1]
    engine = {"artefact": {"path": "a.engine", "sha256": "0" * 64, "bytes": 9}, "built_from": built["artefact"]}
    jetson = {"address": "ssh://jetson", "name": "Orin", "throttled": {"seen": None, "brakes": {}}}
    rows.append(with_rows / "rows.jsonl", row | engine | {"device": jetson, "p50_ms": 0.75, "p90_ms": 0.8})
    main(["report", str(with_rows)])
    tables = (with_rows / "report.md").read_text()
    (head, _, *lines) = tables[tables.index("### Median ms by device") :].split("\n\n")[1].splitlines()
    places = [place.partition(",")[0].strip() for place in head.strip("|").split("|")]
    assert places[:2] == ["file", "clock"] and places[2].startswith("local")
    assert places[3:] == ["adb://R58", "ssh://jetson", "ssh://pi@board", "ssh://pi@gone"]
    told = {line.strip("| ").split(" | ")[0]: line.strip("| ").split(" | ")[2:] for line in lines}
    assert told["onnx fp32"] == ["1.25", "9.50", "not measured", "4.25", "not run"]
    (of_engine,) = (told[name] for name in told if name.startswith("tensorrt"))
    assert of_engine[2] == "0.75" and of_engine[1] == "not measured"
    assert "The same file on each device" in text_of((with_rows / "report.html").read_text())


def test_a_row_without_percentiles_breaks_nothing(with_rows):
    """benchmark_model's figures as this machine's own."""
    row = on_devices(with_rows)
    rows.append(with_rows / "rows.jsonl", row)
    main(["report", str(with_rows)])
    html = (with_rows / "report.html").read_text()
    assert "9.50 / none / none" in text_of(html) and "its row has no distribution" in text_of(html)


def test_markdown_is_one_line_a_row(with_rows):
    main(["report", str(with_rows)])
    tables = (with_rows / "report.md").read_text()
    assert "| format | precision | size | NME |" in tables and "| onnx | fp32 |" in tables and "4.69 %" in tables
    assert "python -m bench latency" in tables and "rejected: " in tables
    assert "<script" not in tables
    assert cell("a|b\n<i>") == "a\\|b &lt;i>"


def test_parts_distribution_and_pareto_are_drawn(with_rows):
    """Faces of a run: by pose; the histograms come out of the rows' own percentiles."""
    main(["report", str(with_rows)])
    html = (with_rows / "report.html").read_text()
    for part in ("By part", "head turned by so many degrees", "How often each time was seen", "NME against time"):
        assert part in html, part


def test_peers_are_shown_beside(with_rows, tmp_path, capsys):
    """The newest `bench peers` of a file; its refusals are told."""
    log = tmp_path / "peers.jsonl"
    made = next(row for row in rows.read(RESULTS / "peers.jsonl")[0] if row["kind"] == "peer" and "not_run" not in row)
    made, protocol = made | {"nme": 0.0321}, made["protocol"]
    rows.append(log, made | {"nme": 0.9, "protocol": protocol | {"faces": 5}})
    rows.append(log, made)
    rows.append(log, made | {"artefact": {"path": "dlib", "sha256": "", "bytes": 0}, "not_run": "unsupported: no dlib"})
    main(["report", str(with_rows), "--peers", str(log)])
    html, tables = (with_rows / "report.html").read_text(), (with_rows / "report.md").read_text()
    for shown in (text_of(html), tables):
        assert "Beside models of others" in shown and "3.21 %" in shown and "dlib: unsupported: no dlib" in shown
        assert "90.00 %" not in shown
    with pytest.raises(SystemExit, match="2"):
        main(["report", str(with_rows), "--peers", str(with_rows / "rows.jsonl")])
    assert "no row of kind peer" in capsys.readouterr().err


@pytest.mark.parametrize(("load", "said"), [(1.0, False), (7.5, True)])
def test_times_of_a_busy_machine_are_marked(with_rows, capsys, load, said):
    found, _ = rows.read(with_rows / "rows.jsonl")
    for row in [row for row in found if row["kind"] == "latency"]:
        rows.append(with_rows / "rows.jsonl", row | {"machine": row["machine"] | {"load": load, "cores": 2}})
    main(["report", str(with_rows)])
    words = "load 7.5 on 2 cores"
    assert (words in capsys.readouterr().out) == (words in (with_rows / "report.html").read_text()) == said


def test_a_broken_artefact_costs_itself(with_rows, capsys):
    whole = (with_rows / "export/tiny-fp32.onnx").read_bytes()
    (with_rows / "export/cut.onnx").write_bytes(whole[:200])
    assert main(["report", str(with_rows)]) == 1
    assert "cut.onnx" in capsys.readouterr().err


def test_measure_appends_accuracy_and_latency(artefact, run_folder, capsys):
    run = run_folder([(0, 0), (2, 0)])
    artefact(run / "export/tiny-fp32.onnx", template(), measured=parity())
    artefact(run / "export/tiny-tensorrt-fp16.onnx", template(), "fp16", "tensorrt", measured=parity())
    assert main(["measure", str(run)]) == 0
    found, problems = rows.read(run / "rows.jsonl")
    assert problems == [] and [row["kind"] for row in found] == ["accuracy", "latency"] * 2
    assert found[0]["nme"] == pytest.approx(1 / 32) and found[1]["runs"] >= 128
    assert found[3]["not_run"] == "needs a GPU"
    # the command of a row repeats it
    words = found[0]["command"].split()
    assert words[:4] == ["python", "-m", "bench", "accuracy"] and main(words[3:]) == 0
    assert capsys.readouterr().out.count("NME 3.12 %  FR08") == 3
    assert main(["report", str(run)]) == 0


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["report", "nowhere"], "no such run"),
        (["measure", "nowhere"], "no such run"),
        (["accuracy", "--model", "none.onnx", "--data", "nowhere"], "no such file"),
        (["accuracy", "--model", "none.onnx", "--data", "x", "--threads", "0"], "give 1 or more"),
    ],
)
def test_wrong_input_is_one_line(words, text, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(words)
    error = capsys.readouterr().err
    assert text in error and error.count("\n") == 1


def test_run_without_artefacts_or_rows_says_what_to_type(artefact, run_folder, capsys):
    run = run_folder([(0, 0)])
    for prepare, text in ((lambda: None, "python -m targets"), (None, "python -m bench measure")):
        if prepare is None:
            artefact(run / "export/tiny-fp32.onnx", template())
        with pytest.raises(SystemExit, match="2"):
            main(["report", str(run)])
        assert text in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["accuracy", "latency", "measure", "report"])
def test_help_has_purpose_defaults_and_example(verb, capsys):
    with pytest.raises(SystemExit, match="0"):
        main([verb, "--help"])
    shown = capsys.readouterr().out
    assert f"example: python -m bench {verb}" in " ".join(shown.split())


def test_importing_bench_does_not_import_torch():
    code = "import sys, bench.__main__, bench.report.page; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_ticks_are_round():
    assert charts.ticks(100) == [0, 20, 40, 60, 80, 100]
    assert charts.ticks(2.9) == [0, 0.5, 1, 1.5, 2, 2.5]
    assert all(4 <= len(charts.ticks(end)) <= 9 for end in np.geomspace(1e-3, 1e4, 200))


def test_shifts_below_the_axis_stand_at_its_edge():
    svg = charts.dots([charts.Bar("a", [1e-6, 0.05, 1.0], "#000")], "t", "px")
    assert "\u2264 0.001" in svg and f'cx="{charts.NAMES:.1f}"' in svg


def test_a_histogram_has_the_mass_where_the_percentiles_are():
    """Half of the runs at 1 ms, half at 3: two peaks, the larger at the narrower; a far maximum is told."""
    values = np.concatenate([np.full(51, 1.0), np.linspace(2.9, 3.1, 49), [40.0]])
    svg = charts.spreads([charts.Bar("a", list(values), "#000")], "t", "ms")
    ((path,)) = re.findall(r'<path d="M118 \d+([^"]+)V', svg)
    tops = np.array(re.findall(r"V([\d.]+)H", path), float)
    centres = (np.arange(charts.BINS) + 0.5) * 3.1 * 1.15 / charts.BINS
    full = tops.max() - tops > 1
    assert tops.argmin() == np.abs(centres - 1).argmin() and "max 40" in svg
    assert all(abs(c - 1) < 0.05 or 2.8 < c < 3.2 for c in centres[full]) and full.sum() > 4


def test_names_of_discs_keep_clear_of_one_another():
    marks = [charts.Disc(f"model number {i}", 1 + 0.05 * i, 3 + 0.1 * i, 1e6, "#000", True) for i in range(4)]
    svg = charts.discs(marks, "t", "ms", "NME")
    texts = re.findall(r'<text x="([\d.]+)" y="([\d.]+)" text-anchor="(\w+)" class="name ours">([^<]+)<', svg)
    boxes = []
    for x, y, anchor, name in texts:
        width = charts.LETTER * len(name)
        left = float(x) - {"start": 0, "middle": width / 2, "end": width}[anchor]
        boxes.append((left, float(y) - 11, left + width, float(y) + 3))
    assert len(boxes) == 4
    for i, a in enumerate(boxes):
        for b in boxes[:i]:
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


def test_the_front_leaves_out_who_is_beaten_in_both():
    marks = [charts.Disc(n, x, y, 1e5, "#000") for n, x, y in (("a", 1, 5), ("b", 2, 3), ("c", 3, 4))]
    (path,) = re.findall(r'<path d="([^"]+)" class="front"/>', charts.discs(marks, "t", "ms", "NME"))
    assert path.count("H") == 1


def test_charts_escape_text():
    svg = charts.bars([charts.Bar(HOSTILE, [1.0], "#000"), charts.Bar("b", [], "#000", HOSTILE)], HOSTILE, HOSTILE)
    assert "<script" not in svg and svg.count("&lt;script&gt;") == 5
