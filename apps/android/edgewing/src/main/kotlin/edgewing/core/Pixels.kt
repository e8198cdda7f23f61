package edgewing.core

import kotlin.math.ceil
import kotlin.math.floor
import kotlin.math.max
import kotlin.math.min
import kotlin.math.round

// Resampling, byte for byte as OpenCV does it, so that a phone's landmarks are the desktop's.

/** argb: a pixel each, row by row, as Bitmap.getPixels gives them. */
class Picture(val width: Int, val height: Int, val argb: IntArray)

/**
 * The pixels of a crop: (size, size, 3) RGB, bilinear, black outside, no smoothing.
 *
 * cv2.warpAffine with INTER_LINEAR | WARP_INVERSE_MAP: positions are rounded to 1/1024 px, then to 1/32 (imgwarp.cpp).
 */
fun sample(picture: Picture, crop: Crop): ByteArray {
    val (size, map) = crop.size to crop.map
    val across = IntArray(size) { round(map[0] * it * 1024).toInt() }
    val down = IntArray(size) { round(map[3] * it * 1024).toInt() }
    val rgb = ByteArray(size * size * 3)
    var out = 0
    for (i in 0 until size) {
        val left = round((map[1] * i + map[2]) * 1024).toInt() + 16
        val top = round((map[4] * i + map[5]) * 1024).toInt() + 16
        for (j in 0 until size) {
            bilinear(picture, (left + across[j]) shr 5, (top + down[j]) shr 5, rgb, out)
            out += 3
        }
    }
    return rgb
}

/** x, y in 1/32 px. */
private fun bilinear(picture: Picture, x: Int, y: Int, into: ByteArray, out: Int) {
    var red = 512
    var green = 512
    var blue = 512
    for (dy in 0..1) for (dx in 0..1) {
        val column = (x shr 5) + dx
        val row = (y shr 5) + dy
        if (column !in 0 until picture.width || row !in 0 until picture.height) continue
        val pixel = picture.argb[row * picture.width + column]
        val weight = (if (dx == 1) x and 31 else 32 - (x and 31)) * (if (dy == 1) y and 31 else 32 - (y and 31))
        red += weight * (pixel shr 16 and 255)
        green += weight * (pixel shr 8 and 255)
        blue += weight * (pixel and 255)
    }
    into[out] = (red shr 10).toByte()
    into[out + 1] = (green shr 10).toByte()
    into[out + 2] = (blue shr 10).toByte()
}

/** rgb: (side, side, 3). scale: how many image px one px of it is. */
class Square(val rgb: ByteArray, val scale: Double)

/**
 * The image in a black square, a margin from its top and left and as much from where it ends on its longer side.
 *
 * cv2.resize with INTER_AREA where the image shrinks (but for values that lie between two levels), INTER_LINEAR where
 * it grows (to one level).
 */
fun fitIntoSquare(picture: Picture, side: Int, margin: Int = 0): Square {
    val scale = max(picture.width, picture.height) / (side - 2.0 * margin)
    val (width, height) = listOf(picture.width, picture.height).map { max(1, round(it / scale).toInt()) }
    val weigh = if (scale > 1) ::areaWeights else ::linearWeights
    val across = weigh(picture.width, width)
    val half = picture.width == 2 * width && picture.height == 2 * height // OpenCV halves in whole numbers
    val rgb = ByteArray(side * side * 3)
    val (sums, narrow) = FloatArray(width * 3) to FloatArray(width * 3)
    var known = -1
    weigh(picture.height, height).forEachIndexed { i, rows ->
        sums.fill(0f)
        for ((row, weight) in rows) {
            if (row != known) narrowRow(picture, row, across, narrow)
            known = row
            for (j in sums.indices) sums[j] += weight * narrow[j]
        }
        val out = ((i + margin) * side + margin) * 3
        for (j in sums.indices) rgb[out + j] = (if (half) sums[j] + 0.5f else round(sums[j])).toInt().toByte()
    }
    return Square(rgb, scale)
}

/** One pixel's share of another. */
private data class Share(val index: Int, val weight: Float)

private fun narrowRow(picture: Picture, row: Int, across: List<List<Share>>, into: FloatArray) {
    across.forEachIndexed { j, shares ->
        for (c in 0..2) into[3 * j + c] = 0f
        for ((column, weight) in shares) {
            val pixel = picture.argb[row * picture.width + column]
            for (c in 0..2) into[3 * j + c] += weight * (pixel shr 16 - 8 * c and 255)
        }
    }
}

/** Shares of the input pixels that an output pixel covers; slivers under 1/1000 px are left out, as OpenCV does. */
private fun areaWeights(from: Int, to: Int): List<List<Share>> = List(to) { i ->
    val scale = from.toDouble() / to
    val (low, high) = i * scale to (i + 1) * scale
    val cell = min(scale, from - low)
    val end = min(floor(high).toInt(), from - 1)
    val begin = min(ceil(low).toInt(), end)
    buildList {
        if (begin - low > 1e-3) add(Share(begin - 1, ((begin - low) / cell).toFloat()))
        for (k in begin until end) add(Share(k, (1 / cell).toFloat()))
        if (high - end > 1e-3) add(Share(end, (min(high - end, min(1.0, cell)) / cell).toFloat()))
    }
}

/** The two neighbours of an output pixel's centre, the last pixel repeated beyond the edge. */
private fun linearWeights(from: Int, to: Int): List<List<Share>> = List(to) { i ->
    val at = ((i + 0.5) * from / to - 0.5).coerceIn(0.0, from - 1.0)
    val low = min(floor(at).toInt(), max(0, from - 2))
    val one = Share(low, (1 - (at - low)).toFloat())
    if (from > 1) listOf(one, Share(low + 1, (at - low).toFloat())) else listOf(one)
}
