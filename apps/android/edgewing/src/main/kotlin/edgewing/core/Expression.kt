package edgewing.core

import kotlin.io.encoding.Base64
import kotlin.math.atan2
import kotlin.math.max

/** Degrees. yaw > 0: the face looks to the right of the picture; pitch > 0: down; roll > 0: it is tilted against the
 * clock. */
data class Pose(val yaw: Double, val pitch: Double, val roll: Double)

/** Degrees that the eyes are turned in the head: to the person's left, and up. */
data class Gaze(val left: Double, val up: Double)

/** Each is null where the layout, or the points that are there, do not tell. units: the 52 of ARKit, 0 to 1. */
data class Expression(val pose: Pose? = null, val units: Map<String, Double>? = null, val gaze: Gaze? = null)

/** What a face does and where it looks, from its landmarks, as edgewing/expression.py reads it. json: expression.json,
 * its weights. */
class ExpressionReader(json: Any?) {
    private val names = json.list("names").map { it.text() }
    private val head = Reader(json, "pose", "300w-68")
    private val whole = Reader(json, "units", "wflw-98")

    /** landmarks: px; there: which of them are in the picture; layout, maps: of the contract. */
    fun read(landmarks: FloatArray, there: BooleanArray, layout: String, maps: Map<String, List<Int>>): Expression {
        fun Reader.told() = (if (layout == wanted) there.indices.toList() else maps[wanted])?.let { answer(landmarks, there, it) }
        val pose = head.told()?.let { (outputs, turned) ->
            val (yaw, pitch, more) = outputs
            Pose(yaw, pitch, (turned + more + 180).mod(360.0) - 180)
        }
        val (outputs) = whole.told() ?: return Expression(pose)
        val units = names.withIndex().associate { (n, name) -> name to outputs[n].coerceIn(0.0, 1.0) }
        return Expression(pose, units, Gaze(outputs[outputs.size - 2], outputs.last()))
    }
}

/** One network of three layers. wanted: the layout whose points it takes. */
private class Reader(json: Any?, name: String, val wanted: String) {
    private val shape = floats(json.at("${name}_shape"))
    private val deviation = floats(json.at("${name}_deviation"))
    private val layers = (0..2).map { floats(json.at("${name}_weight$it")) to floats(json.at("${name}_bias$it")) }

    /** Its outputs for the points of that index, and by how many degrees the face was turned, against the clock. */
    fun answer(landmarks: FloatArray, there: BooleanArray, index: List<Int>): Pair<DoubleArray, Double>? {
        val (x, y) = (0..1).map { axis -> DoubleArray(index.size) { landmarks[2 * index[it] + axis].toDouble() } }
        val seen = index.indices.filter { there[index[it]] }
        if (seen.size < LEAST || !seen.all { x[it].isFinite() && y[it].isFinite() }) return null
        if (listOf(x, y).maxOf { line -> seen.maxOf { line[it] } - seen.minOf { line[it] } } < 1e-3) return null
        val (offsets, turned) = normalised(x, y, seen)
        var values = DoubleArray(offsets.size) { offsets[it] / deviation[it] }
        for ((number, layer) in layers.withIndex()) {
            val (weight, bias) = layer
            val sums = DoubleArray(bias.size) { j ->
                values.indices.sumOf { values[it] * weight[it * bias.size + j] } + bias[j]
            }
            values = if (number < 2) DoubleArray(sums.size) { max(sums[it], 0.0) } else sums
        }
        return values to turned
    }

    /** Moved, turned and scaled to lie nearest to the shape: how far each point is from there, all x, then all y, and 0
     * for points that are not seen; by how many degrees it was turned, against the clock. */
    private fun normalised(x: DoubleArray, y: DoubleArray, seen: List<Int>): Pair<DoubleArray, Double> {
        fun centred(value: (Int) -> Double) = seen.map(value).average().let { mean -> seen.map { value(it) - mean } }
        val (dx, dy) = centred { x[it] } to centred { y[it] }
        val (u, v) = centred { shape[2 * it].toDouble() } to centred { shape[2 * it + 1].toDouble() }
        val size = max(seen.indices.sumOf { dx[it] * dx[it] + dy[it] * dy[it] }, 1e-12)
        val cos = seen.indices.sumOf { dx[it] * u[it] + dy[it] * v[it] } / size
        val sin = seen.indices.sumOf { dx[it] * v[it] - dy[it] * u[it] } / size
        val off = DoubleArray(2 * x.size)
        for ((k, n) in seen.withIndex()) {
            off[n] = cos * dx[k] - sin * dy[k] - u[k]
            off[x.size + n] = sin * dx[k] + cos * dy[k] - v[k]
        }
        return off to Math.toDegrees(atan2(sin, cos))
    }

    private companion object {
        const val LEAST = 6 // points
    }
}

/** An array of expression.json, flat: little-endian float16 or float32 in base64. */
private fun floats(json: Any?): FloatArray {
    val bytes = Base64.decode(json.text("data")).map { it.toInt() and 255 }
    return when (val type = json.text("type")) {
        "float16" -> FloatArray(bytes.size / 2) { half(bytes[2 * it] or (bytes[2 * it + 1] shl 8)) }
        "float32" -> FloatArray(bytes.size / 4) { n ->
            Float.fromBits((0..3).fold(0) { bits, k -> bits or (bytes[4 * n + k] shl 8 * k) })
        }
        else -> throw IllegalArgumentException("expression.json: numbers of type $type")
    }
}

/** Sixteen bits to the finite number that they are (IEEE 754, binary16). */
private fun half(bits: Int): Float {
    val size = Float.fromBits((bits and 0x7fff) shl 13) * Float.fromBits((127 + 112) shl 23) // 2 to the power of 112
    return if (bits and 0x8000 == 0) size else -size
}
