package edgewing.core

import kotlin.math.PI
import kotlin.math.abs
import kotlin.math.atan2
import kotlin.math.cos
import kotlin.math.hypot
import kotlin.math.max
import kotlin.math.min
import kotlin.math.sin

// Boxes and crops, as edgewing/geometry.py has them. Image px: (0, 0) is the centre of the top-left one. Landmarks are
// x0, y0, x1, y1, ...

data class Box(val x0: Double, val y0: Double, val x1: Double, val y1: Double) {
    val width get() = x1 - x0
    val height get() = y1 - y0
    val x get() = (x0 + x1) / 2
    val y get() = (y0 + y1) / 2

    /** Mean of its sides. */
    val size get() = (width + height) / 2

    /** 0 where it is turned inside out. */
    val area get() = max(0.0, width) * max(0.0, height)

    fun shared(other: Box) = Box(max(x0, other.x0), max(y0, other.y0), min(x1, other.x1), min(y1, other.y1)).area

    /** Intersection over union. */
    fun overlap(other: Box) = shared(other) / max(area + other.area - shared(other), 1e-12)
}

/** side = max(factor * mean(w, h), least * max(w, h)) of a box, about its centre; size: of the crop, in its own px. */
class CropPart(val factor: Double, val least: Double, val size: Int)

/** The square of an image that a network sees. turn: radians about its centre (x, y), clockwise as one sees it. */
class Crop(val x: Double, val y: Double, val side: Double, val size: Int, turn: Double = 0.0) {
    /** Crop px to image px, a (2, 3) matrix row by row: the square's edge is the edge of crop pixel 0. */
    val map: DoubleArray

    init {
        val (c, s) = (side / size).let { it * cos(turn) to it * sin(turn) }
        val first = (1 - size) / 2.0
        map = doubleArrayOf(c, -s, (c - s) * first + x, s, c, (s + c) * first + y)
    }

    fun toImage(landmarks: FloatArray) = FloatArray(landmarks.size) {
        val (u, v) = landmarks[it and 1.inv()].toDouble() to landmarks[it or 1].toDouble()
        val row = 3 * (it and 1)
        (map[row] * u + map[row + 1] * v + map[row + 2]).toFloat()
    }

    companion object {
        fun around(box: Box, part: CropPart, turn: Double = 0.0): Crop {
            require(box.width > 0 && box.height > 0 && box.area.isFinite()) { "empty or broken box $box" }
            val side = max(part.factor * box.size, part.least * max(box.width, box.height))
            return Crop(box.x, box.y, side, part.size, turn)
        }
    }
}

/** Of a face's tilt in its crop, radians: networks know faces that are tilted so much (geometry.LEVEL). */
private const val LEVEL = 25 * PI / 180

/** How a crop is to be turned for a face that is turned by `found`: as before, while the face is level enough in that. */
fun cropTurn(found: Double, before: Double = 0.0): Double {
    val away = (found - before + PI).mod(2 * PI) - PI
    return if (abs(away) <= LEVEL) before else (found + PI).mod(2 * PI) - PI
}

/** The tight box of the landmarks that are there and turned by so much: its sides are theirs, and it is to be turned
 * about its middle. Empty where none is there. */
fun turnedBox(landmarks: FloatArray, turn: Double, there: BooleanArray): Box {
    val box = landmarkBox(rotated(DoubleArray(landmarks.size) { landmarks[it].toDouble() }, -turn), there)
    if (turn == 0.0) return box
    val (x, y) = rotated(doubleArrayOf(box.x, box.y), turn)
    return Box(x - box.width / 2, y - box.height / 2, x + box.width / 2, y + box.height / 2)
}

private fun landmarkBox(landmarks: DoubleArray, there: BooleanArray): Box {
    val (xs, ys) = (0..1).map { axis -> there.indices.filter { there[it] }.map { landmarks[2 * it + axis] } }
    return if (xs.isEmpty()) Box(0.0, 0.0, 0.0, 0.0) else Box(xs.min(), ys.min(), xs.max(), ys.max())
}

/** Points x0, y0, x1, y1, ... turned about (0, 0), clockwise as one sees it. */
internal fun rotated(points: DoubleArray, turn: Double): DoubleArray {
    val (c, s) = cos(turn) to sin(turn)
    return DoubleArray(points.size) {
        if (it % 2 == 0) c * points[it] - s * points[it + 1] else s * points[it - 1] + c * points[it]
    }
}

/** Of settings.json: what tells how a face is turned: its eyes, tip of the nose and corners of the mouth (points of the
 * layout each), and where these are in an upright face. */
class Turns(json: Any?) {
    val points = json.list("points").map { several -> several.numbers().map(Double::toInt) }
    val places = json.list("places").map { it.numbers() }
}

/** Radians by which a face is turned from upright, clockwise: by the similarity of its five places to upright ones. Null
 * where they do not tell. */
fun faceTurn(landmarks: FloatArray, turns: Turns): Double? {
    val given = turns.points.map { several -> DoubleArray(2) { k -> several.map { landmarks[2 * it + k] }.average() } }
    var (real, imaginary) = 0.0 to 0.0
    for ((one, upright) in centred(given).zip(centred(turns.places))) {
        real += one[0] * upright[0] + one[1] * upright[1]
        imaginary += one[0] * upright[1] - one[1] * upright[0]
    }
    return if (hypot(real, imaginary) > 0) -atan2(imaginary, real) else null // not where one is NaN either
}

/** Points x, y, counted from their mean. */
private fun centred(points: List<DoubleArray>): List<DoubleArray> {
    val (x, y) = (0..1).map { axis -> points.map { it[axis] }.average() }
    return points.map { doubleArrayOf(it[0] - x, it[1] - y) }
}
