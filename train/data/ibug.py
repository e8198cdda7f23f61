"""The folders of iBUG's sets: which collection and split of 300-W, or video of 300-VW, a ``.pts`` file belongs to.

300-W (Sagonas et al., ICCV workshops 2013; the split of Ren et al., CVPR 2014): ``train`` is AFW, HELEN/trainset and
LFPW/trainset, ``common`` HELEN/testset and LFPW/testset, ``challenging`` IBUG, ``test`` both of them (the full set),
``private`` the 600 of 01_Indoor and 02_Outdoor. 300-VW: folders 001/annot; 64 videos are the test set, in three
categories (Shen et al., ICCV workshops 2015). In both the folders' own names are what counts, in any case.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from train.data import splits

SPLITS = (*splits.SPLITS, "common", "challenging", "private")
COLLECTIONS = {  # name of a collection -> the split it belongs to
    "afw": "train", "helen/trainset": "train", "lfpw/trainset": "train",
    "helen/testset": "common", "lfpw/testset": "common", "ibug": "challenging",
    "01_indoor": "private", "02_outdoor": "private",
}  # fmt: skip
VIDEOS = {  # of 300-VW's test set, by category
    1: {114, 124, 125, 126, 150, 158, 401, 402, *range(505, 512), 514, 515, *range(518, 523), 524, 525, 537, 538, 540,
        541, 546, 547, 548},
    2: {203, 208, 211, 212, 213, 214, 218, 224, *range(403, 410), 412, 550, 551, 553},
    3: {410, 411, 516, 517, 526, *range(528, 532), 533, 557, 558, 559, 562},
}  # fmt: skip
SIDES = {"train": "train", "trainset": "train", "test": "test", "testset": "test"}
_VIDEO = re.compile(r"\d{3}")


def collection(parts: Sequence[str]) -> str | None:
    """The collection of 300-W that a path's folders name (the deepest that does), such as ``lfpw/testset``, or None."""
    names = [part.lower() for part in parts]
    for i in range(len(names) - 1, -1, -1):
        if names[i] in COLLECTIONS:
            return names[i]
        if i and names[i] in SIDES and names[i - 1] in ("helen", "lfpw"):
            return f"{names[i - 1]}/{SIDES[names[i]]}set"
    return None


def video(parts: Sequence[str]) -> int | None:
    """The number of the 300-VW video whose ``annot`` folder the path's folders end in, or None."""
    if len(parts) >= 2 and parts[-1].lower() == "annot" and _VIDEO.fullmatch(parts[-2]):
        return int(parts[-2])
    return None


def is_menpo(parts: Sequence[str]) -> bool:
    """Whether a path's folders are those of the Menpo challenge, which are named in many ways."""
    return any("menpo" in part.lower() for part in parts[-4:])


def category(number: int) -> int | None:
    """1 to 3 for a video of 300-VW's test set, None for one of its train set."""
    return next((key for key, videos in VIDEOS.items() if number in videos), None)


def wanted(above: Sequence[str], below: Sequence[str], split: str) -> bool:
    """Whether the faces of a folder are read for that split.

    above: the folders down to the one that was named; below: those from there. For ``train``, ``val`` and ``test`` a
    folder that was named itself is always read, whatever it is called; the other splits go by the whole path.
    """
    if split in ("common", "challenging", "private"):
        return COLLECTIONS.get(collection([*above, *below])) == split
    if number := video(below):
        return (category(number) is not None) == (split == "test")
    if split not in (splits.of_folders(below) or {split}):
        return False
    of = collection([*above[-1:], *below])
    if of is None or of == collection(above[-1:]):
        return True
    side = {"train": "train", "private": ""}.get(COLLECTIONS[of], "test")  # none is for validation
    return side == split


def attributes(parts: Sequence[str]) -> dict[str, int]:
    """The subset of a test set that a path belongs to, as a sample's attributes."""
    number = video(parts)
    if number is not None:
        return {f"category {category(number)}": 1} if category(number) else {}
    subset = COLLECTIONS.get(collection(parts), "train")
    return {} if subset == "train" else {subset: 1}
