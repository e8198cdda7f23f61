"""A smaller copy of folders of faces, for a machine that much may not be carried to: python models/carry.py D OUT

Each picture of the training folders in D is written anew as WebP under its own name, of the same size in pixels, so
that annotations stay as they are and every reader takes the copy; other files are copied. What is carried is for
training alone: tests belong to the pictures as they were published.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
import tarfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from PIL import Image

FOLDERS = "lfpw/trainset", "helen/trainset", "aflw68-train", "ytf/train", "utkface", "wflw"
PICTURES = ".jpg", ".jpeg", ".png"
QUALITY = {"lfpw/trainset": 85, "helen/trainset": 85}  # marked by the people whose style the networks learn
OTHER = 70


def smaller(data: bytes, quality: int) -> bytes:
    """The picture as WebP; as it is where that is no smaller."""
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    made = io.BytesIO()
    picture.save(made, "WEBP", quality=quality, method=6)
    return min(data, made.getvalue(), key=len)


def carry(source: Path, target: Path, quality: int) -> int:
    """One file; the bytes written."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.suffix == ".tar":
        with tarfile.open(source) as old, tarfile.open(target, "w") as new:
            for member in old:
                data = smaller(old.extractfile(member).read(), quality)
                kept = tarfile.TarInfo(member.name)
                kept.size = len(data)
                new.addfile(kept, io.BytesIO(data))
    elif source.suffix.lower() in PICTURES:
        target.write_bytes(smaller(source.read_bytes(), quality))
    else:
        shutil.copyfile(source, target)
    return target.stat().st_size


def main() -> None:
    data, out = Path(sys.argv[1]), Path(sys.argv[2])
    for folder in FOLDERS:
        files = [Path(place) / name for place, _, names in os.walk(data / folder) for name in names]
        with ProcessPoolExecutor() as pool:
            places = [out / file.relative_to(data) for file in files]
            sizes = list(pool.map(carry, files, places, [QUALITY.get(folder, OTHER)] * len(files), chunksize=32))
        print(f"{folder}: {len(files)} files, {sum(sizes) / 1e6:.1f} MB", flush=True)
    # which pictures are of one person stands beside the folders; without it others are held out than here
    for parent in {(data / folder).parent for folder in FOLDERS} - {data}:
        for table in [*parent.glob("*.csv"), *parent.glob("*near_duplicates*.txt")]:
            shutil.copyfile(table, out / table.relative_to(data))


if __name__ == "__main__":
    main()
