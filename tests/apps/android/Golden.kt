// Reads the golden vectors and compares this core's answers; a line for each kind, with how many agreed.
//
//   java ... GoldenKt golden.json expression.json [MODEL.tflite...]     exit code 1 where one differs

import edgewing.core.*
import java.io.File
import java.util.Base64
import kotlin.math.abs

const val CLOSE = 1e-3 // px

fun bytes(json: Any?, name: String): ByteArray = Base64.getDecoder().decode(json.text(name))

fun picture(json: Any?): Picture {
    val rgb = bytes(json, "picture")
    val argb = IntArray(rgb.size / 3) { i -> (0..2).fold(255) { pixel, c -> pixel shl 8 or (rgb[3 * i + c].toInt() and 255) } }
    return Picture(json.number("width").toInt(), json.number("height").toInt(), argb)
}

fun box(numbers: DoubleArray) = Box(numbers[0], numbers[1], numbers[2], numbers[3])

fun part(json: Any?) = CropPart(json.number("factor"), json.number("least"), json.number("size").toInt())

fun crop(json: Any?) = Crop.around(box(json.numbers("box")), part(json.at("part")), json.number("turn"))

fun contract(json: Any?) = Contract.parse(written(json.at("contract")))

/** JSON as text again. */
fun written(value: Any?): String = when (value) {
    is Map<*, *> -> value.entries.joinToString(",", "{", "}") { "${written(it.key)}:${written(it.value)}" }
    is List<*> -> value.joinToString(",", "[", "]", transform = ::written)
    is String -> "\"" + value.replace("\\", "\\\\").replace("\"", "\\\"") + "\""
    else -> value.toString()
}

fun near(what: String, ours: FloatArray, expected: FloatArray, most: Double = CLOSE) {
    check(ours.size == expected.size) { "$what: ${ours.size} numbers, not ${expected.size}" }
    val off = ours.indices.maxOfOrNull { abs(ours[it] - expected[it]).toDouble() } ?: 0.0
    check(off <= most) { "$what: off by $off" }
}

fun near(what: String, ours: Double, expected: Double, most: Double = 1e-5) =
    check(abs(ours - expected) <= most) { "$what: $ours, not $expected" }

fun corners(box: Box) = with(box) { floatArrayOf(x0.toFloat(), y0.toFloat(), x1.toFloat(), y1.toFloat()) }

fun contracts(json: Any?) {
    val (refused, found) = json.text("refused") to runCatching { Contract.parse(json.text("text")) }
    if (refused.isEmpty()) check(found.getOrThrow().modelName == "golden")
    else check(refused in found.exceptionOrNull()?.message.orEmpty()) { "$refused: $found" }
}

fun crops(json: Any?) {
    near("side", crop(json).side, json.number("side"))
    near("map", crop(json).toImage(json.floats("crop")), json.floats("image"))
}

fun cropTurns(json: Any?) = near("turn", cropTurn(json.number("found"), json.number("before")), json.number("turn"))

fun turnedBoxes(json: Any?) {
    val box = turnedBox(json.floats("landmarks"), json.number("turn"), there(json))
    near("box", corners(box), json.floats("box"))
}

fun faceTurns(json: Any?) {
    near("turn", faceTurn(json.floats("landmarks"), Turns(json.at("turns")))!!, json.number("turn"))
    for (nothing in listOf(7f, Float.NaN)) check(faceTurn(FloatArray(16) { nothing }, Turns(json.at("turns"))) == null)
}

fun pixels(json: Any?) = check(sample(picture(json), crop(json)).contentEquals(bytes(json, "pixels"))) { "other bytes" }

fun squares(json: Any?) {
    val square = fitIntoSquare(picture(json), json.number("side").toInt(), json.number("margin").toInt())
    fun levels(bytes: ByteArray) = FloatArray(bytes.size) { (bytes[it].toInt() and 255).toFloat() }
    near("square", levels(square.rgb), levels(bytes(json, "pixels")), 1.0)
    near("scale", square.scale, json.number("scale"))
}

fun inputs(json: Any?) {
    val made = toInput(bytes(json, "pixels"), contract(json))
    val numbers = if (made is ByteArray) FloatArray(made.size) { (made[it].toInt() and 255).toFloat() } else made as FloatArray
    near("tensor", numbers.filterIndexed { i, _ -> i % 7 == 0 }.toFloatArray(), json.floats("tensor"), 2e-6)
}

fun decodes(json: Any?) {
    val found = points(mapOf("maps" to json.floats("maps")), contract(json))
    near("landmarks", found.landmarks, json.floats("landmarks"))
    near("scores", found.scores, json.floats("scores"))
}

fun pointsOf(json: Any?) {
    val raw = mapOf("landmarks" to json.floats("landmarks"), "scores" to json.floats("scores"))
    val (contract, found) = contract(json).let { it to points(raw, it) }
    near("crop", found.landmarks, json.floats("crop"))
    near("image", Crop.around(box(json.numbers("box")), contract.crop).toImage(found.landmarks), json.floats("image"))
}

fun detections(json: Any?) {
    val looks = json.list("looks").map { it.floats("boxes") to it.floats("logits") }.iterator()
    val found = Detector(DetectorSettings(json.at("settings"))) { looks.next() }.find(picture(json))
    check(!looks.hasNext()) { "a look that nobody took" }
    val expected = json.list("found")
    check(found.size == expected.size) { "${found.size} found, not ${expected.size}" }
    found.zip(expected).forEach { (ours, other) ->
        near("box", corners(ours.box), other.floats("box"))
        near("score", ours.score, other.number("score"))
        near("turn", ours.turn, other.number("turn"))
    }
}

fun there(json: Any?) = json.list("there").map { it == true }.toBooleanArray()

fun steady(json: Any?) {
    val filter = OneEuro(FilterSettings(json.at("settings")))
    for (one in json.list("samples")) {
        val out = filter.step(one.floats("points"), one.number("time"), one.number("size"), there(one))
        near("steady at ${one.number("time")}", out, one.floats("steady"))
    }
}

fun tracks(json: Any?) {
    val answers = ArrayDeque<Map<String, FloatArray>>()
    var found = listOf<Detection>()
    val settings = json.at("settings")
    val detector = Detector(DetectorSettings(settings.at("detector"))) { error("it is asked by nobody") }
    val landmarker = Landmarker(contract(json)) { answers.removeFirst() }
    val finder = Finder(detector.settings.same, detector::turned) { found.map { detector.turned(it, it.turn) } }
    val turns = (settings as Map<*, *>)["turns"]?.let(::Turns)
    val tracker = Tracker(landmarker, finder, TrackingSettings(settings.at("tracking")), turns, settings.number("unsure"))
    val (width, height) = json.number("width").toInt() to json.number("height").toInt()
    val grey = Picture(width, height, IntArray(width * height))
    for (frame in json.list("frames")) {
        frame.list("asked").forEach { answers += mapOf("landmarks" to it.floats("landmarks"), "scores" to it.floats("scores")) }
        found = frame.list("found").map { Detection(box(it.numbers("box")), it.number("score"), it.number("turn")) }
        val (ours, expected) = tracker.step(grey, frame.number("time")) to frame.list("tracks")
        check(answers.isEmpty() && tracker.searched == frame.at("searched")) { "${answers.size} crops were not asked for" }
        check(ours.map { it.id } == expected.map { it.number("id").toInt() }) { "ids ${ours.map { it.id }}" }
        ours.zip(expected).forEach { (track, other) ->
            near("track at ${frame.number("time")}", track.landmarks, other.floats("landmarks"))
            near("box at ${frame.number("time")}", corners(track.face.box), other.floats("box"))
            near("confidence", track.confidence, other.number("confidence"))
            near("age", track.age, other.number("age"))
            check(track.face.there.contentEquals(there(other)))
        }
    }
}

lateinit var reader: ExpressionReader

fun expressions(json: Any?) {
    val layout = json.at("layout")
    val ours = reader.read(json.floats("landmarks"), there(json), layout.text("name"), layout.indexLists("maps"))
    val told = mapOf(
        "pose" to ours.pose?.run { mapOf("yaw" to yaw, "pitch" to pitch, "roll" to roll) },
        "units" to ours.units,
        "gaze" to ours.gaze?.run { mapOf("left" to left, "up" to up) },
    )
    for ((part, found) in told) {
        val expected = json.at(part) as Map<*, *>?
        check(found?.keys == expected?.keys) { "$part: $found, not $expected" }
        found?.forEach { (name, value) -> near("$part $name", value, expected.number(name), CLOSE) }
    }
}

val KINDS = mapOf(
    "contracts" to ::contracts, "crops" to ::crops, "crop_turns" to ::cropTurns, "turned_boxes" to ::turnedBoxes,
    "face_turns" to ::faceTurns, "pixels" to ::pixels, "squares" to ::squares, "inputs" to ::inputs,
    "decodes" to ::decodes, "points" to ::pointsOf, "detections" to ::detections, "steady" to ::steady, "tracks" to ::tracks,
    "expressions" to ::expressions,
)

/** A model file: its contract is read, and no bit of it may change. */
fun model(file: File) {
    val bytes = file.readBytes()
    println("${Contract.read(bytes).modelName} ${bytes.size}")
    for (size in listOf(0, 7, 5000, bytes.size / 2)) check(refused(bytes.copyOf(size))) { "cut off at $size" }
    bytes[bytes.size / 2] = (bytes[bytes.size / 2].toInt() xor 1).toByte()
    check(refused(bytes)) { "a changed bit is not seen" }
}

/** Of faster networks one that agrees is taken, with the first face; one that does not, or fails, is left. */
fun agreeing(json: Any?) {
    val said = mapOf("landmarks" to json.floats("landmarks"), "scores" to json.floats("scores"))
    val (blank, sure) = said + ("scores" to FloatArray(4)) to said + ("scores" to FloatArray(4) { 0.9f })
    fun moved(by: Float): Network = { sure + ("landmarks" to json.floats("landmarks").map { it + by }.toFloatArray()) }
    val networks = listOf<Pair<Network, Boolean>>(
        moved(0.04f) to true, moved(0.06f) to false, moved(Float.NaN) to false, { _: Any -> error("no driver") } to false,
    )
    for ((fast, taken) in networks) {
        var outputs = blank
        val both = Agreeing(contract(json), { outputs }, fast, leastScore = 0.65)
        check(both(0) == blank && both.agrees == null) { "decided without a face" }
        outputs = sure
        check(both(0) == sure && both.agrees == taken) { "agrees: ${both.agrees}" }
        val expected = if (taken) fast(0) else sure
        near("after the first", both(0).getValue("landmarks"), expected.getValue("landmarks"), 0.0)
    }
}

fun refused(file: ByteArray) = runCatching { Contract.read(file) }.exceptionOrNull()?.message.orEmpty().startsWith("the model")

fun main(words: Array<String>) {
    val golden = Json.parse(File(words[0]).readText()) as Map<*, *>
    reader = ExpressionReader(Json.parse(File(words[1]).readText()))
    for ((kind, vectors) in golden) {
        val test = KINDS.getValue(kind as String)
        vectors.list().forEachIndexed { n, one -> runCatching { test(one) }.onFailure { throw AssertionError("$kind $n: $it", it) } }
        println("$kind ${vectors.list().size}")
    }
    words.drop(2).forEach { model(File(it)) }
    golden["points"]?.let { agreeing(it.list().first()) }
}
