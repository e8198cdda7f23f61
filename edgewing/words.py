"""Numbers and nouns in messages, as people write them."""

from __future__ import annotations


def counted(number: float, several: str) -> str:
    """``1 point``, ``2 points``. several: what it is for two, the noun first: ``pictures without points``."""
    if number != 1:
        return f"{number:g} {several}" if isinstance(number, float) else f"{number} {several}"
    noun, space, rest = several.partition(" ")
    endings = ("ies", "y"), ("xes", "x"), ("s", "")
    ending, single = next(((e, s) for e, s in endings if noun.endswith(e)), ("", ""))
    return f"1 {noun.removesuffix(ending)}{single}{space}{rest}"


def with_article(noun: str) -> str:
    """``an arrow``, ``a face``, as its first letter is read."""
    return f"{'an' if noun[:1].lower() in set('aeiou') else 'a'} {noun}"
