"""A landmark model that is not ours and needs no training: a landmark is the centre of one colour's brightness."""

import json

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIZE = 48


def write(path, channels, layout, **about):
    """An ONNX file, and its description beside it. channels: for each landmark of ``layout`` the colour it looks at."""
    axis = (np.arange(SIZE, dtype=np.float32) + 0.5) / SIZE  # shares of the side, from the outer edge

    def constant(name, value):
        return numpy_helper.from_array(np.asarray(value), name)

    nodes = [
        helper.make_node("ReduceSum", ["image", "area"], ["total"], keepdims=0),
        helper.make_node("Mul", ["image", "x"], ["along_x"]),
        helper.make_node("Mul", ["image", "y"], ["along_y"]),
        helper.make_node("ReduceSum", ["along_x", "area"], ["sum_x"], keepdims=0),
        helper.make_node("ReduceSum", ["along_y", "area"], ["sum_y"], keepdims=0),
        helper.make_node("Div", ["sum_x", "total"], ["cx"]),
        helper.make_node("Div", ["sum_y", "total"], ["cy"]),
        helper.make_node("Gather", ["cx", "channels"], ["px"], axis=1),
        helper.make_node("Gather", ["cy", "channels"], ["py"], axis=1),
        helper.make_node("Unsqueeze", ["px", "last"], ["qx"]),
        helper.make_node("Unsqueeze", ["py", "last"], ["qy"]),
        helper.make_node("Concat", ["qx", "qy"], ["points"], axis=2),
        helper.make_node("Reshape", ["points", "flat"], ["out"]),
    ]
    constants = [
        constant("area", np.array([2, 3])),
        constant("x", axis.reshape(1, 1, 1, -1)),
        constant("y", axis.reshape(1, 1, -1, 1)),
        constant("channels", np.asarray(channels, np.int64)),
        constant("last", np.array([2])),
        constant("flat", np.array([1, -1])),
    ]
    graph = helper.make_graph(
        nodes,
        "centres",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 2 * len(channels)])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, str(path))
    value = {
        "name": "centres", "source": "tests", "licence": "Apache-2.0", "trained_on": ["nothing"], "layout": layout,
        "size": SIZE, "factor": 2.0, "shift": 0.0, "mean": 0.0, "scale": 255.0, **about,
    }  # fmt: skip
    path.with_name(path.name + ".json").write_text(json.dumps(value))
    return path


def dots(positions, size=120, radius=4):
    """A black picture with one soft dot per colour channel at image px (x, y)."""
    y, x = np.mgrid[:size, :size]
    layers = [np.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * radius**2)) for u, v in positions]
    return (np.stack(layers, axis=-1) * 255).round().astype(np.uint8)
