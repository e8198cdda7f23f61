package edgewing.core

import kotlin.math.cos
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

/** The tight box around the landmarks that are there. */
fun landmarkBox(landmarks: FloatArray, there: BooleanArray): Box {
    val xs = there.indices.filter { there[it] }.map { landmarks[2 * it].toDouble() }
    val ys = there.indices.filter { there[it] }.map { landmarks[2 * it + 1].toDouble() }
    return if (xs.isEmpty()) Box(0.0, 0.0, 0.0, 0.0) else Box(xs.min(), ys.min(), xs.max(), ys.max())
}
