"""The cache: every face decoded once, cut out with context around it, in raw files that training reads by offset.

    images.u8       (M, S, S, 3) RGB        landmarks.f32   (M, N, 2) cache pixels, x y; NaN where there is no point
    group.i4        (M,)                    source.u1       (M,) index into meta's sources
    visibility.u1   (M, N) 0 no such point, 1 hidden but marked, 2 seen
    names.txt       one name a line         names.idx       (M + 1,) int64 offsets into names.txt
    meta.json

The square has ``context`` times the side of the crop (train.data.crops: ``gtbox``, or as ``crop`` says) and the same
centre, S pixels wide, plain bilinear, black outside the picture. There is no anti-aliasing on purpose: the network's
own crop has none either (other runtimes could not repeat it), so a large picture must alias here as it will there. That
holds as long as the cache is about as dense as the crop; ``dense_enough`` gives S for an input size, a quarter denser,
so that the second resampling costs little detail and a zoom of 15 % finds real pixels.

Reading needs numpy alone, and its resident memory does not grow with M: bytes are copied by pread, nothing is mapped.

M: faces, S: cache pixels, N: landmarks, B: batch.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from edgewing import files, geometry
from edgewing.errors import InputError
from edgewing.layouts import Layout
from edgewing.words import counted
from train.data.contents import Contents
from train.data.crops import square as square_of
from train.data.samples import Samples, file_of, load_image, visibility_of
from train.data.split import group_id, split

CONTEXT = 1.5
_FORMAT = 2  # 2: with visibility
_LARGEST_META = 16 * files.MIB
_MOST_SOURCES = 256
_PROBLEMS_KEPT = 100


def dense_enough(input_size: int, context: float = CONTEXT) -> int:
    """The cache's S for a network's input size: a quarter denser than the crop, a multiple of 16."""
    return int(np.ceil(1.25 * context * input_size / 16)) * 16


def cache_folder(root: str | Path, key: str, size: int, context: float = CONTEXT) -> Path:
    """Where a cache lies below ``root``. key: a ``fingerprint``, or a text that says which faces are drawn."""
    return Path(root) / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}-{size}-{context:g}-v{_FORMAT}"


def fingerprint(samples: Iterable, crop: str = "gtbox", root: str | Path | None = None) -> str:
    """sha256 in hex over names, groups, landmarks, visibility, bytes of the picture files, and boxes unless the crop is
    ``gtbox``: other annotations or other pictures give another one. root: where the digests of files are remembered."""
    with Contents(root) as contents:
        whole = Fingerprint(crop, contents)
        for sample in samples:
            whole.add(sample)
        return whole.hexdigest()


class Fingerprint:
    """The fingerprint of samples that come one by one, drawn faces (which bring their pictures) among them."""

    def __init__(self, crop: str, contents: Contents):
        self._crop, self._contents, self._digest = crop, contents, hashlib.sha256()

    def add(self, sample) -> None:
        if isinstance(sample.image, np.ndarray):
            pixels = hashlib.sha256(np.ascontiguousarray(sample.image)).digest()
        else:
            pixels = self._contents.digest(file_of(sample.image))
        self._digest.update(f"{sample.name}\0{sample.group}\0".encode("utf-8", "surrogateescape") + pixels)
        self._digest.update(np.ascontiguousarray(sample.landmarks, np.float32).tobytes())
        self._digest.update(visibility_of(sample).tobytes())
        if self._crop != "gtbox":
            box = getattr(sample, "box", None)
            self._digest.update(f"{self._crop} {None if box is None else box.tolist()}".encode())

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


class Cache:
    """An open cache. ``meta``: format, layout, points, size, context, crop, count, sources, groups, fingerprint,
    problems.

    Safe to share between threads and forked workers; pickling opens it anew.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self.meta = _meta(self.folder)
        self._size, self._points = self.meta["size"], self.meta["points"]
        self._files = {}
        expected = {
            "images.u8": len(self) * self._size**2 * 3,
            "landmarks.f32": len(self) * self._points * 8,
            "visibility.u1": len(self) * self._points,
            "group.i4": len(self) * 4,
            "source.u1": len(self),
            "names.idx": (len(self) + 1) * 8,
        }
        for name, size in expected.items():
            self._open(name, size)
        self._open("names.txt", int(self._rows("names.idx", [len(self)], (), np.int64)[0]))

    @classmethod
    def open(cls, folder: str | Path) -> Cache:
        """InputError where there is no cache, or one that is cut off or of another format."""
        return cls(folder)

    def __len__(self) -> int:
        return self.meta["count"]

    def __reduce__(self):
        return Cache, (self.folder,)

    def read(self, indices) -> tuple[np.ndarray, np.ndarray]:
        """(B, S, S, 3) uint8 RGB and (B, N, 2) float32 landmarks in cache pixels, in the order of ``indices``."""
        return self._rows("images.u8", indices, (self._size, self._size, 3), np.uint8), self.landmarks(indices)

    def landmarks(self, indices) -> np.ndarray:
        """(B, N, 2) float32, cache pixels; NaN where there is no point."""
        return self._rows("landmarks.f32", indices, (self._points, 2), np.float32)

    def visibility(self, indices) -> np.ndarray:
        """(B, N) uint8: 0 no such point, 1 hidden but marked, 2 seen."""
        return self._rows("visibility.u1", indices, (self._points,), np.uint8)

    def names(self, indices) -> list[str]:
        found = []
        for index in self._checked(indices):
            start, end = self._span("names.idx", int(index) * 8, np.empty(2, np.int64))
            if not 0 <= start < end <= self._files["names.txt"][1]:
                raise InputError(f"{self.folder / 'names.idx'}: broken; delete the folder and build the cache again")
            text = self._span("names.txt", int(start), np.empty(end - start - 1, np.uint8))
            found.append(text.tobytes().decode("utf-8", "replace"))
        return found

    @functools.cached_property
    def groups(self) -> np.ndarray:
        """(M,) int32 group ids."""
        return self._span("group.i4", 0, np.empty(len(self), np.int32))

    @functools.cached_property
    def sources(self) -> np.ndarray:
        """(M,) uint8 indices into ``meta["sources"]``."""
        return self._span("source.u1", 0, np.empty(len(self), np.uint8))

    def split(self, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """(train, validation) indices: see the function ``split``."""
        return split(self.groups, fraction, seed, self.sources)

    def extract(self, indices, folder: str | Path) -> Cache:
        """A cache of these faces alone, the same bytes, in the order of ``indices``. OSError: it cannot be written."""
        indices, folder = self._checked(indices), Path(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with files.workshop(folder) as made:
            made.mkdir()
            for name, (_, size) in self._files.items():
                if name.startswith("names"):
                    continue
                step = size // len(self)
                with open(made / name, "wb") as copy:
                    for k in indices:
                        copy.write(self._span(name, int(k) * step, np.empty(step, np.uint8)))
            names = [f"{name}\n".encode() for name in self.names(indices)]
            (made / "names.txt").write_bytes(b"".join(names))
            np.cumsum([0, *map(len, names)], dtype=np.int64).tofile(made / "names.idx")
            sources = np.bincount(self.sources[indices], minlength=len(self.meta["sources"])).tolist()
            told = {"count": len(indices), "groups": len(np.unique(self.groups[indices])), "problems": 0}
            told["sources"] = [one | {"count": n} for one, n in zip(self.meta["sources"], sources)]
            told["fingerprint"] = hashlib.sha256(self.meta["fingerprint"].encode() + indices.tobytes()).hexdigest()
            (made / "meta.json").write_text(json.dumps(self.meta | told | {"first_problems": []}, indent=1) + "\n")
            made.rename(folder)
        return Cache.open(folder)

    def close(self) -> None:
        for file, _ in self._files.values():
            file.close()

    def _open(self, name: str, size: int) -> None:
        path = self.folder / name
        try:
            file = open(path, "rb", buffering=0)
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}; delete the folder and build the cache again") from None
        found = os.fstat(file.fileno()).st_size
        self._files[name] = file, found
        if found != size:
            self.close()
            raise InputError(f"{path}: {found} bytes, expected {size}; delete the folder and build the cache again")

    def _checked(self, indices) -> np.ndarray:
        indices = np.atleast_1d(np.asarray(indices, np.int64))
        if len(indices) and not (0 <= indices.min() and indices.max() < len(self)):
            raise IndexError(f"{indices.min()}..{indices.max()} in a cache of {len(self)} faces")
        return indices

    def _rows(self, name: str, indices, shape: tuple[int, ...], dtype) -> np.ndarray:
        indices = self._checked(indices) if name != "names.idx" else np.asarray(indices)
        rows = np.empty((len(indices), *shape), dtype)
        step = rows.itemsize * int(np.prod(shape))
        for place in np.argsort(indices, kind="stable"):  # in the order of the disk
            self._span(name, int(indices[place]) * step, rows[place : place + 1])
        return rows

    def _span(self, name: str, offset: int, out: np.ndarray) -> np.ndarray:
        """Fills ``out`` from the file at a byte offset."""
        view, descriptor = memoryview(out).cast("B") if out.size else memoryview(b""), self._files[name][0].fileno()
        while len(view):
            try:
                count = os.preadv(descriptor, [view], offset)
            except OSError as error:
                raise InputError(f"{self.folder / name}: cannot be read ({error.strerror})") from None
            if not count:
                raise InputError(f"{self.folder / name}: cut off; delete the folder and build the cache again")
            view, offset = view[count:], offset + count
        return out


def build(
    samples: Iterable,
    folder: str | Path,
    layout: Layout,
    size: int,
    context: float = CONTEXT,
    progress: Callable[[int, int | None], None] | None = None,
    threads: int = 1,
    crop: str = "gtbox",
) -> Cache:
    """Cut out every face of Samples or drawn faces (with ``image`` (H, W, 3), landmarks, source, group, name).

    progress: called with faces done and their number (None where ``samples`` has no length). threads: decoding and
    warping release Python's lock. Faces are streamed, only a few pictures are in memory at a time. A picture that is
    missing or broken, or points that cannot be in it, are problems: counted in meta, the first 100 named there.
    InputError: nothing is left, or the disk is full. Nothing appears under ``folder`` before all is written.
    """
    folder = Path(folder)
    total = len(samples) if hasattr(samples, "__len__") else None
    needed = (total or 0) * (size * size * 3 + layout.points * 9)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with files.workshop(folder) as made:
            made.mkdir()
            free = shutil.disk_usage(made).free
            if needed > free:
                room = f"needs {needed / 1e9:.1f} GB, the disk has {free / 1e9:.1f} GB free"
                raise InputError(f"{folder}: the cache {room}")
            with contextlib.ExitStack() as stack:
                contents = stack.enter_context(Contents(folder.parent))
                writer = _Writer(made, stack, Fingerprint(crop, contents))
                for done, (sample, found) in enumerate(_crops(samples, layout, size, context, threads, crop), 1):
                    writer.add(sample, found)
                    if progress:
                        progress(done, total)
            writer.finish(folder, layout=layout.name, points=layout.points, size=size, context=context, crop=crop)
            try:
                made.rename(folder)
            except OSError:
                if not folder.is_dir() or not any(folder.iterdir()):
                    raise  # else another process was faster: what it wrote is checked by opening
    except OSError as error:
        raise InputError(f"{folder}: the cache cannot be written ({error.strerror}); name another place") from None
    return Cache.open(folder)


def find_or_build(
    samples: Samples, root: str | Path, layout: Layout, size: int, context: float = CONTEXT, crop: str = "gtbox", **how
) -> Cache:
    """The cache of these faces below ``root``, built where it is not there yet. how: as ``build`` has it."""
    wanted = fingerprint(samples, crop, root)
    folder = cache_folder(root, wanted, size, context)
    if folder.is_dir():
        return Cache.open(folder)
    cache = build(samples, folder, layout, size, context, crop=crop, **how)
    if cache.meta["fingerprint"] != wanted:
        cache.close()
        shutil.rmtree(folder, ignore_errors=True)
        raise InputError("pictures changed while they were cut out; wait until they are whole, and repeat the command")
    return cache


class _Writer:
    """The files of a cache that is being built."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack, fingerprint: Fingerprint):
        self.folder, self.fingerprint = folder, fingerprint
        names = "images.u8", "landmarks.f32", "visibility.u1", "group.i4", "source.u1", "names.txt", "names.idx"
        self.files = {name: stack.enter_context(open(folder / name, "wb")) for name in names}
        self.files["names.idx"].write(bytes(8))
        self.offset, self.count = 0, 0
        self.sources: dict[str, list[int]] = {}
        self.problems: list[str] = []
        self.problem_count = 0

    def add(self, sample, found: tuple[np.ndarray, np.ndarray] | InputError) -> None:
        self.fingerprint.add(sample)
        if isinstance(found, InputError):
            self.problem_count += 1
            self.problems += [str(found)][: _PROBLEMS_KEPT - len(self.problems)]
            return
        image, landmarks = found
        visibility = visibility_of(sample)
        source = self.sources.setdefault(sample.source, [len(self.sources), 0])
        if source[0] >= _MOST_SOURCES:
            raise InputError(f"more than {_MOST_SOURCES} sources in one cache; read fewer folders")
        source[1] += 1
        name = sample.name.replace("\n", " ").encode("utf-8", "replace") + b"\n"
        self.offset += len(name)
        self.count += 1
        numbers = np.int32(group_id(sample.group)), np.uint8(source[0])
        row = image, landmarks, visibility, *numbers, name, np.int64(self.offset)
        for file, value in zip(self.files.values(), row, strict=True):
            file.write(value if isinstance(value, bytes) else value.tobytes())

    def finish(self, folder: Path, **about) -> None:
        if not self.count:
            first = f"; first: {self.problems[0]}" if self.problems else ""
            raise InputError(f"none of the faces can be used: {counted(self.problem_count, 'problems')}{first}")
        meta = about | {
            "format": _FORMAT,
            "count": self.count,
            "sources": [{"name": name, "count": count} for name, (_, count) in self.sources.items()],
            "groups": len(np.unique(np.fromfile(self.folder / "group.i4", np.int32))),
            "fingerprint": self.fingerprint.hexdigest(),
            "problems": self.problem_count,
            "first_problems": self.problems,
        }
        (self.folder / "meta.json").write_text(json.dumps(meta, indent=1) + "\n")


def _crops(
    samples: Iterable, layout: Layout, size: int, context: float, threads: int, protocol: str
) -> Iterator[tuple]:
    """(sample, (image, landmarks) or InputError) in order, from ``threads`` workers with a few faces in flight."""

    def crop(sample):
        try:
            return cut(sample, layout, size, context, protocol)
        except InputError as error:
            return error

    if threads <= 1:
        yield from ((sample, crop(sample)) for sample in samples)
        return
    flight: collections.deque = collections.deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for sample in samples:
                flight.append((sample, pool.submit(crop, sample)))
                if len(flight) >= 4 * threads:
                    sample, future = flight.popleft()
                    yield sample, future.result()
            for sample, future in flight:
                yield sample, future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def cut(sample, layout: Layout, size: int, context: float, protocol: str) -> tuple[np.ndarray, np.ndarray]:
    """(S, S, 3) uint8 and (N, 2) float32 cache px of one face. InputError where it cannot be cut out."""
    if sample.landmarks.shape != (layout.points, 2):
        raise InputError(
            f"{sample.name}: {counted(len(sample.landmarks), 'points')}, {layout.name} has {layout.points}"
        )
    image = load_image(sample)
    tight = square_of(sample, size, protocol)
    square = geometry.Crop(tight.centre, context * tight.side, size)
    landmarks = geometry.apply(square.to_crop, sample.landmarks).astype(np.float32)
    return geometry.warp(image, square.to_image, size), landmarks


def _meta(folder: Path) -> dict:
    """meta.json, checked."""
    path = folder / "meta.json"
    try:
        meta = json.loads(files.read(path, _LARGEST_META))
        whole = [meta["count"], meta["size"], meta["points"]]
        of_sources = sum(source["count"] for source in meta["sources"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InputError(f"{path}: not the meta of a cache; delete the folder and build the cache again") from None
    if meta.get("format") != _FORMAT:
        raise InputError(f"{path}: cache format {meta.get('format')}, this version reads {_FORMAT}; build it again")
    if not all(type(v) is int and 0 < v < 1 << 40 for v in whole) or of_sources != whole[0]:
        raise InputError(f"{path}: the counts in it do not fit together; delete the folder and build the cache again")
    meta.setdefault("crop", "gtbox")  # caches made before there was another
    return meta
