package edgewing.core

import kotlin.math.max
import kotlin.math.pow
import kotlin.math.sign

/** landmarks: crop px. scores: in [0, 1]. */
class Points(val landmarks: FloatArray, val scores: FloatArray)

/** What a model's outputs, by name, say in crop px. */
fun points(outputs: Map<String, FloatArray>, contract: Contract): Points {
    if (!contract.inGraph) return decode(outputs.getValue(contract.output("heatmaps").name), contract)
    val part = contract.output("landmarks")
    val raw = outputs.getValue(part.name)
    val landmarks = if (part.frame == "cell") cropPixels(raw, contract.stride) else raw
    return Points(landmarks, outputs.getValue(contract.output("scores").name))
}

private fun cropPixels(cells: FloatArray, stride: Double) =
    FloatArray(cells.size) { (cells[it] * stride + (stride - 1) / 2).toFloat() }

/** Heatmaps to points, as edgewing/decoding.py has it; for models whose graph does not decode. */
private fun decode(heatmaps: FloatArray, contract: Contract): Points {
    val (height, width) = contract.output("heatmaps").shape.takeLast(2)
    val (cells, scores) = FloatArray(2 * contract.points) to FloatArray(contract.points)
    for (n in scores.indices) {
        val map = heatmaps.copyOfRange(n * height * width, (n + 1) * height * width)
        val (x, y) = if (contract.method == "quarter") quarter(map, width) else centroid(map, width, contract)
        cells[2 * n] = x.toFloat()
        cells[2 * n + 1] = y.toFloat()
        scores[n] = map.max().coerceIn(0f, 1f)
    }
    return Points(cropPixels(cells, contract.stride), scores)
}

private const val FLOOR = 1e-3

/** The centroid of relu(h / max - threshold)^power; the middle of a map without a peak. */
private fun centroid(map: FloatArray, width: Int, contract: Contract): Pair<Double, Double> {
    val peak = max(map.max().toDouble(), FLOOR)
    val (middleX, middleY) = (width - 1) / 2.0 to (map.size / width - 1) / 2.0
    var (total, x, y) = doubleArrayOf(0.0, 0.0, 0.0)
    map.forEachIndexed { i, value ->
        val weight = max(value / peak - contract.threshold, 0.0).pow(contract.power)
        total += weight
        x += weight * (i % width - middleX)
        y += weight * (i / width - middleY)
    }
    total = max(total, FLOOR)
    return x / total + middleX to y / total + middleY
}

/** The largest cell, moved a quarter towards the higher neighbour in each axis; not on the map's border. */
private fun quarter(map: FloatArray, width: Int): Pair<Double, Double> {
    val index = map.indices.maxBy { map[it] }
    val (row, column) = index / width to index % width
    val inside = row in 1..<map.size / width - 1 && column in 1..<width - 1
    val dx = if (inside) sign(map[index + 1] - map[index - 1]) else 0f
    val dy = if (inside) sign(map[index + width] - map[index - width]) else 0f
    return column + 0.25 * dx to row + 0.25 * dy
}
