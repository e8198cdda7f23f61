"""Files of this repository that its pages name are there, under that name."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
NAMED = re.compile(
    r"(?<![\w./-])(?:apps|bench|compress|docs|edgewing|models|requirements|targets|tests|train)/[\w./-]*\.(?:py|ts|mjs|sh|jsonl|md|svg)\b"
)
# Made by a command, or shown as an example of what one adds.
ELSEWHERE = re.compile(r"edgewing/page/|CONTRIBUTING|NAME")


def test_every_file_that_is_named_is_there():
    listed = subprocess.run(
        ["git", "ls-files", "*.md", "*.sh", "*.yml", "Makefile"], cwd=ROOT, text=True, capture_output=True
    )
    lost = []
    for page in listed.stdout.split():
        for name in NAMED.findall((ROOT / page).read_text()):
            if not (ROOT / name).exists() and not ELSEWHERE.search(f"{page} {name}"):
                lost.append(f"{page}: {name}")
    assert not lost
