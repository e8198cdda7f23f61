"""Every command that a page shows has options, verbs and values that its parser takes."""

import argparse
import contextlib
import importlib
import io
import re
import subprocess

import pytest

from tests.pages import ROOT, SHELL, blocks, commands, lines, spans

LISTED = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, text=True, capture_output=True).stdout.split()
# One tells of commands that are gone, the others are words of other people.
PAGES = [name for name in LISTED if name != "CHANGELOG.md" and "licences" not in name]
ROOMS = {"edgewing", "train", "compress", "targets", "bench"}
SHORT = (
    "are required",
    "expected at least one",
    "expected one argument",
    "'VERB'",
)  # what a parser says of a command that is cut short
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))


class Parsed(SystemExit):
    """In place of the work: the words were taken."""


@pytest.fixture
def stopped(monkeypatch):
    """Every command of ours ends when its words are parsed."""
    parse = argparse.ArgumentParser.parse_args

    def parse_args(self, *given):
        parse(self, *given)
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_args)


def main_of(words: list[str]) -> tuple[str, list[str]] | None:
    """The module whose main takes the words behind it, where the command is one of ours."""
    while words and words[0] in ("exec", "time", "sudo"):
        words = words[1:]
    name = words[0].split("/")[-1] if words else ""
    if name == "edgewing":
        return "edgewing.cli", words[1:]
    if name == "torchrun" and "--" in words:
        at = words.index("--")
        return f"{words[at + 1]}.__main__", words[at + 2 :]
    if re.fullmatch(r"python[\d.]*", name) and "-m" in words:
        module, *rest = words[words.index("-m") + 1 :]
        if module.split(".")[0] in ROOMS:
            path = ROOT / module.replace(".", "/")
            return f"{module}.__main__" if path.is_dir() else module, rest
    return None


def refusal(words: list[str]) -> str:
    """What the parser says against the words; empty where it takes them."""
    if words and words[0] == "make":
        unknown = [word for word in words[1:] if "=" not in word and word not in TARGETS]
        return f"no such target: {unknown}" if unknown else ""
    found = main_of(words)
    if found is None:
        return ""
    module, rest = found
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            importlib.import_module(module).main(rest)
    except Parsed:
        return ""
    except SystemExit as end:
        return "" if not end.code else said.getvalue().strip().splitlines()[-1]
    return "it ended before its words were parsed"


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_block_is_taken(stopped, page):
    faults = []
    for language, body in blocks((ROOT / page).read_text()):
        for line in lines(body) if language in SHELL else []:
            faults += [f"{line}: {said}" for words in commands(line) if (said := refusal(words))]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("name", ["queue.txt", "gpu-begin.txt", "gpu-go-on.txt"])
def test_every_training_of_a_model_that_ships_is_taken(stopped, name):
    """NAME NEEDED ... :: command, as models/queue.sh runs it."""
    faults = []
    for line in (ROOT / "models" / name).read_text().splitlines():
        if "::" in line and not line.startswith("#"):
            typed = re.sub(r"\$(TEACHING|MINUTES|SHORT)\b", "1", line.split("::", 1)[1])
            faults += [
                f"{line}: {said}"
                for words in commands(typed)
                if (said := refusal(["python", "-m", *words, "--run", "x"]))
            ]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("page", PAGES)
def test_every_option_of_a_command_in_a_sentence_is_known(stopped, page):
    """Some are shortened: what is missing there is no fault."""
    faults = []
    for span in spans((ROOT / page).read_text()):
        with contextlib.suppress(ValueError):  # a quote that is not closed is no command
            for words in commands(span):
                said = refusal(words)
                if said and not any(part in said for part in SHORT):
                    faults.append(f"{span}: {said}")
    assert not faults, "\n".join(faults)
