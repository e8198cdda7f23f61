"""What the pages of this repository tell a reader to type: their blocks, and the commands in them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[1]
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
SHELL = ("sh", "bash")
OPERATORS = ("&&", "||", "|", ";")


def blocks(text: str) -> list[tuple[str, str]]:
    """(language, text) of each block in order: of fenced ones, and of indented ones, which are shell."""
    found = [(match.start(), match[1], match[2]) for match in FENCED.finditer(text)]
    rest = FENCED.sub(lambda match: re.sub(r"[^\n]", "-", match[0]), text)  # as long, and no block any more
    for match in re.finditer(r"(?<=\n\n)(?:    \S.*\n(?:    .*\n)*)", rest):
        found.append((match.start(), "sh", re.sub(r"^    ", "", match[0], flags=re.M)))
    return [(language, body) for _, language, body in sorted(found)]


def lines(block: str) -> list[str]:
    """The lines of a shell block as one types them: continued ones joined, remarks left out."""
    joined = re.sub(r"\\\n\s*", "", block)
    typed = (re.sub(r"(^|\s)#\s.*$", "", line).strip() for line in joined.splitlines())
    return [line for line in typed if line]


def commands(line: str) -> list[list[str]]:
    """The words of each command of a line, redirections and variables before it left out."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    lexer.commenters = ""
    found: list[list[str]] = [[]]
    words = iter(lexer)
    for word in words:
        if word in OPERATORS:
            found.append([])
        elif set(word) <= set("<>&") and word:
            next(words, None)
        elif found[-1] or not re.match(r"\w+=", word):
            found[-1].append(word)
    return [words for words in found if words]


def spans(text: str) -> list[str]:
    """What stands between backticks in running text, with a line break as a space."""
    prose = re.sub(r"^    .*$", "", FENCED.sub("", text), flags=re.M)
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose)]
