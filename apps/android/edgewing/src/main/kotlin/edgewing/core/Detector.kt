package edgewing.core

import kotlin.math.atan2
import kotlin.math.exp

/** Of settings.json. side: of the input, px. cells: stride in px, anchors in each cell. least: score. same: overlap of
 * two finds of one face. close: of the picture's longer side, from which a find is looked at from farther away. shift,
 * scale: its box to the landmark box. */
class DetectorSettings(json: Any?) {
    val side = json.number("side").toInt()
    val cells = json.list("cells").map { it.numbers().map(Double::toInt) }
    val least = json.number("least")
    val same = json.number("same")
    val close = json.number("close")
    val shift = json.numbers("fit", "shift")
    val scale = json.numbers("fit", "scale")
}

/** box: of the landmarks, own: the detector's, image px. turn: of the face and of the box about its middle, radians. */
class Detection(val box: Box, val score: Double, val turn: Double = 0.0, val own: Box = box)

/** BlazeFace (arXiv 1907.05047) on the whole image fitted into a square, as edgewing/detection.py has it. network: (1,
 * side, side, 3) in [-1, 1] to its raw boxes (A, 16) and scores (A), before the sigmoid. */
class Detector(val settings: DetectorSettings, private val network: (FloatArray) -> Pair<FloatArray, FloatArray>) {
    /** Of the anchors, px of the input, in the order of the outputs: rows, columns, anchors of a cell. */
    private val centres = settings.cells.flatMap { (stride, count) ->
        val ticks = List(settings.side / stride) { (it + 0.5) * stride }
        ticks.flatMap { y -> ticks.flatMap { x -> List(count) { x to y } } }
    }

    /** A find before it is one of a picture: px of the input, counted from its edge. apart: from eye to eye. */
    private class Sure(val box: Box, val score: Double, val apart: Pair<Double, Double>)

    /** The landmark boxes of the picture's faces, largest first. What is large, or nothing, is looked at again from
     * farther away. */
    fun find(picture: Picture): List<Detection> {
        val found = look(picture, 0)
        val largest = settings.close * maxOf(picture.width, picture.height)
        val small = found.filter { maxOf(it.own.width, it.own.height) <= largest }
        val again = if (found.isEmpty() || small.size < found.size) look(picture, settings.side / 4) else emptyList()
        val others = small.filter { one -> again.all { it.own.overlap(one.own) < settings.same } }
        return (if (again.isEmpty()) found else again + others).sortedByDescending { it.box.area }
    }

    /** One look, at the picture with a margin, px of the input, at its left and top. */
    private fun look(picture: Picture, margin: Int): List<Detection> {
        val square = fitIntoSquare(picture, settings.side, margin)
        val (boxes, logits) = network(FloatArray(square.rgb.size) { (square.rgb[it].toInt() and 255) / 127.5f - 1 })
        return merge(sure(boxes, logits)).map { found ->
            // from the edges of the scaled image to image px, where (0, 0) is the centre of the first pixel
            val (x0, y0, x1, y1) = with(found.box) { listOf(x0, y0, x1, y1) }.map { (it - margin) * square.scale - 0.5 }
            turned(Detection(Box(x0, y0, x1, y1), found.score), cropTurn(atan2(found.apart.second, found.apart.first)))
        }
    }

    /** The landmark box of a find, if its face is turned by so much. */
    fun turned(found: Detection, turn: Double) = Detection(fit(found.own, turn), found.score, turn, found.own)

    private fun sure(raw: FloatArray, logits: FloatArray): List<Sure> = centres.indices.mapNotNull { i ->
        val score = 1 / (1 + exp(-logits[i].toDouble().coerceIn(-80.0, 80.0)))
        val (x, y) = raw[16 * i] + centres[i].first to raw[16 * i + 1] + centres[i].second
        val (w, h) = raw[16 * i + 2] / 2.0 to raw[16 * i + 3] / 2.0
        val apart = (0..1).map { raw[16 * i + 6 + it].toDouble() - raw[16 * i + 4 + it] }
        if (score < settings.least) null else Sure(Box(x - w, y - h, x + w, y + h), score, apart[0] to apart[1])
    }

    /** One of each face, best first: the mean of those that overlap, weighted by score (section 4.2). */
    private fun merge(all: List<Sure>): List<Sure> = buildList {
        var rest = all.sortedByDescending { it.score }
        while (rest.isNotEmpty()) {
            val best = rest.first()
            // a box of no area overlaps nothing, itself included
            val group = rest.filter { it === best || best.box.overlap(it.box) >= settings.same }
            fun mean(part: (Sure) -> Double) = group.sumOf { it.score * part(it) } / group.sumOf { it.score }
            val box = Box(mean { it.box.x0 }, mean { it.box.y0 }, mean { it.box.x1 }, mean { it.box.y1 })
            add(Sure(box, best.score, mean { it.apart.first } to mean { it.apart.second }))
            rest = rest - group.toSet()
        }
    }

    private fun fit(box: Box, turn: Double): Box {
        val (dx, dy) = rotated(doubleArrayOf(box.width * settings.shift[0], box.height * settings.shift[1]), turn)
        val (w, h) = box.width * settings.scale[0] / 2 to box.height * settings.scale[1] / 2
        return Box(box.x + dx - w, box.y + dy - h, box.x + dx + w, box.y + dy + h)
    }
}
