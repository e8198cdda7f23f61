package edgewing.core

import kotlin.math.hypot

/** A face, or whatever the layout is of. box: what its crop was made from, image px, turned about its middle as the crop
 * is, by so many radians, clockwise. landmarks: image px. there: which points are in the picture, as far as scores tell. */
class Face(val box: Box, val turn: Double, val landmarks: FloatArray, val scores: FloatArray, val there: BooleanArray) {
    /** Mean score of the points that are there. */
    val confidence = scores.filterIndexed { n, _ -> there[n] }.ifEmpty { listOf(0f) }.map(Float::toDouble).average()

    /** The tight box of its points, turned about its middle as the crop is. */
    val landmarkBox = turnedBox(landmarks, turn, there)
}

/** Runs a model: its input, a ByteArray where the contract says uint8 and else a FloatArray, to its outputs by name. */
typealias Network = (Any) -> Map<String, FloatArray>

/** A box in, a face with landmarks out, as edgewing/landmarker.py has it. */
class Landmarker(val contract: Contract, private val network: Network) {
    /** box: around brows, ears and chin of a face, or around the points of what is none, image px. */
    fun face(picture: Picture, box: Box, turn: Double = 0.0): Face {
        val crop = Crop.around(box, contract.crop, turn)
        val found = points(network(toInput(sample(picture, crop), contract)), contract)
        val there = BooleanArray(contract.points) { found.scores[it] >= contract.leastScore }
        return Face(box, turn, crop.toImage(found.landmarks), found.scores, there)
    }
}

/** (size, size, 3) RGB bytes to what a model takes: colour order, value range, type and axes. */
fun toInput(rgb: ByteArray, contract: Contract): Any {
    if (contract.dtype == "uint8" && contract.channelsLast && contract.isRgb) return rgb
    val cells = rgb.size / 3
    fun source(i: Int): Int { // where the i-th number of the tensor comes from
        val (cell, channel) = if (contract.channelsLast) i / 3 to i % 3 else i % cells to i / cells
        return 3 * cell + if (contract.isRgb) channel else 2 - channel
    }
    if (contract.dtype == "uint8") return ByteArray(rgb.size) { rgb[source(it)] }
    val (low, high) = contract.range
    return FloatArray(rgb.size) { ((rgb[source(it)].toInt() and 255) * ((high - low) / 255) + low).toFloat() }
}

/** The largest distance between the points of two networks, px of a crop of 256: of a chip that rounds otherwise. */
fun shift(one: Points, other: Points, size: Int): Double = one.scores.indices.maxOf { n ->
    val (dx, dy) = (2 * n..2 * n + 1).map { (one.landmarks[it] - other.landmarks[it]).toDouble() }
    hypot(dx, dy) * 256 / size
}
