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


def anchor(heading: str) -> str:
    """What a page of Markdown calls a heading, as GitHub does."""
    words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading.lstrip("#").strip().lower())
    return re.sub(r"[^\w\- ]", "", words).replace(" ", "-")


def test_every_link_leads_to_a_file_and_to_a_heading_in_it():
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, text=True, capture_output=True).stdout.split()
    pages = {ROOT / name: (ROOT / name).read_text() for name in listed}
    headings = {page: {anchor(line) for line in text.splitlines() if line[:1] == "#"} for page, text in pages.items()}
    lost = []
    for page, text in pages.items():
        for link in re.findall(r"\]\(([^)\s:]+)\)", text):
            name, _, part = link.partition("#")
            place = (page.parent / name).resolve() if name else page
            if not place.exists() or (part and part not in headings.get(place, {part})):
                lost.append(f"{page.relative_to(ROOT)}: {link}")
    assert not lost
