"""Drawn heads as a folder that anybody's training can read: pictures, COCO keypoints, and a JSON line of truth each."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from edgewing import files, geometry, images, layouts
from edgewing.errors import InputError
from train.data.drawn.heads import Head

KEYPOINTS, TRUTH = "keypoints.json", "faces.jsonl"


def write(folder: Path, faces: Iterable[Head], layout_name: str, segments: bool = False) -> int:
    """images/NAME.jpg, keypoints.json and faces.jsonl; how many. The folder gets its name when all is in it.

    segments: segments/NAME.png too, a number of ``heads.SEGMENTS`` for each pixel.

    InputError: there is something under that name already.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: is there already; name a folder that is not")
    coco: dict = {"images": [], "annotations": [], "categories": [_category(layout_name)]}
    with files.workshop(folder.absolute()) as made:
        for name in ("images", "segments") if segments else ("images",):
            (made / name).mkdir(parents=True)
        with open(made / TRUTH, "w") as lines:
            for number, face in enumerate(faces, 1):
                name = f"images/{face.name}.jpg"
                images.write(made / name, face.image)
                if segments:
                    (made / f"segments/{face.name}.png").write_bytes(cv2.imencode(".png", face.segments)[1].tobytes())
                height, width = face.image.shape[:2]
                coco["images"].append({"id": number, "file_name": name, "height": height, "width": width})
                coco["annotations"].append({"id": number, "image_id": number, "category_id": 1, **_annotation(face)})
                lines.write(json.dumps({"image": name, **truth(face)}) + "\n")
        (made / KEYPOINTS).write_text(json.dumps(coco))
        made.replace(folder)
    return len(coco["images"])


def truth(face: Head) -> dict:
    """All that is known of a face but its picture, as ``Head`` explains it."""
    return {
        "points": _rounded(face.landmarks),
        "visibility": face.visibility.tolist(),
        "behind": face.behind.tolist(),
        "points_3d": _rounded(face.points),
        "pose": _rounded(face.pose, 6),
        "camera": _rounded(face.camera),
        "angles": _rounded(face.angles),
        "pupils": _rounded(face.pupils),
        "gaze": _rounded(face.gaze),
        "units": {name: round(w, 4) for name, w in face.units.items()},
    }


def _rounded(values, digits: int = 4) -> list:
    return np.round(np.asarray(values, float), digits).tolist()


def _annotation(face: Head) -> dict:
    points = np.column_stack([face.landmarks, face.visibility])
    x0, y0, x1, y1 = geometry.landmark_box(face.landmarks)
    box = [x0, y0, x1 - x0, y1 - y0]
    area = float((x1 - x0) * (y1 - y0))
    counts = {"num_keypoints": len(points), "area": round(area, 2), "iscrowd": 0}
    return {"keypoints": _flat(points), "bbox": _rounded(box), **counts}


def _flat(points: np.ndarray) -> list:
    return [value for row in points.tolist() for value in (round(row[0], 4), round(row[1], 4), int(row[2]))]


def _category(layout_name: str) -> dict:
    layout = layouts.get(layout_name)
    names = list(layout.names) or [str(k) for k in range(layout.points)]
    return {"id": 1, "name": "face", "keypoints": names, "skeleton": [[a + 1, b + 1] for a, b in layout.edges]}
