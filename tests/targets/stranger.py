"""A stranger's loader, from docs/contract.md and the formats' own libraries: NME of models on a folder of .pts faces.

python stranger.py FOLDER LEFT RIGHT MODEL...   LEFT, RIGHT: the two points whose distance errors are divided by"""

import hashlib
import json
import sys
from pathlib import Path

import cv2
import numpy as np


def opened(path):  # the contract's text, and a function from the input's array to all outputs by name
    if path.suffix == ".onnx":
        session = __import__("onnxruntime").InferenceSession(str(path))
        names, (image,) = [o.name for o in session.get_outputs()], session.get_inputs()
        text = session.get_modelmeta().custom_metadata_map["edgewing.contract"]
        return text, lambda x: dict(zip(names, session.run(names, {image.name: x})))
    if path.suffix == ".tflite":
        from ai_edge_litert import interpreter, schema_py_generated

        model = schema_py_generated.ModelT.InitFromPackedBuf(path.read_bytes())
        (entry,) = (m for m in model.metadata if m.name == b"edgewing.contract")
        runner = interpreter.Interpreter(str(path)).get_signature_runner()
        (image,) = runner.get_input_details()
        return bytes(model.buffers[entry.buffer].data), lambda x: runner(**{image: x})
    program = __import__("executorch.runtime").runtime.Runtime.get().load_program(path)
    (text,), method = program.load_method("edgewing.contract").execute([]), program.load_method("forward")
    names, torch = [o["name"] for o in json.loads(text)["outputs"]], __import__("torch")
    return text, lambda x: {k: t.numpy() for k, t in zip(names, method.execute([torch.from_numpy(x)]))}


def landmarks(c, run, picture, low, high):  # (N, 2) picture px, of the face between these corners of its box
    crop, taken, decode = c["crop"], c["input"], c["decode"]
    side = max(crop["factor"] * (high - low).mean(), crop["least"] * (high - low).max())
    step = side / crop["size"]
    first = (low + high) / 2 - side / 2 + 0.5 * step
    way = cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
    crop = cv2.warpAffine(picture, np.c_[np.eye(2) * step, first], (crop["size"],) * 2, flags=way)  # of BGR
    crop = crop[..., ::-1] if taken["colour"] == "RGB" else crop
    crop = crop.transpose(2, 0, 1) if taken["axes"] == "NCHW" else crop
    dark, bright = taken["range"]
    values = (crop * ((bright - dark) / 255) + dark).astype(taken["dtype"])
    found = run(np.repeat(values[None], taken["shape"][0], axis=0))
    found = {o["meaning"]: (found[o["name"]][0], o["frame"]) for o in c["outputs"]}
    points, frame = found["landmarks"] if decode["in_graph"] else (centroids(found["heatmaps"][0], c), "cell")
    points = points * decode["stride"] + (decode["stride"] - 1) / 2 if frame == "cell" else points
    return points * step + first


def centroids(maps, c):
    maps = maps[: c["layout"]["points"]]
    weights = np.maximum(maps / maps.max((1, 2), keepdims=True) - c["decode"]["threshold"], 0) ** c["decode"]["power"]
    y, x = np.mgrid[: maps.shape[1], : maps.shape[2]]
    return np.stack([(weights * x).sum((1, 2)), (weights * y).sum((1, 2))], 1) / weights.sum((1, 2))[:, None]


def main(folder, left, right, *models):
    for path in map(Path, models):
        text, run = opened(path)
        c, errors = json.loads(text), []
        assert c["schema"] == 2
        assert c["seal"] == hashlib.sha256(path.read_bytes().replace(c["seal"].encode(), b"0" * 64)).hexdigest()
        for pts in sorted(Path(folder).glob("*.pts")):
            true = np.array(pts.read_text().split("{")[1].split("}")[0].split(), float).reshape(-1, 2) - 1
            picture = cv2.imread(*map(str, pts.parent.glob(f"{pts.stem}.[jp][pn]g")))
            away = np.linalg.norm(landmarks(c, run, picture, true.min(0), true.max(0)) - true, axis=1)
            errors.append(away.mean() / np.linalg.norm(true[int(left)] - true[int(right)]))
        print(path.name, np.mean(errors), flush=True)


main(*sys.argv[1:])
