package edgewing.core

import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.security.MessageDigest

/** What a model says of itself (docs/contract.md of edgewing): all that a loader has to know. */
class Contract private constructor(json: Any?) {
    val layoutName = json.text("layout", "name")
    val points = json.number("layout", "points").toInt()
    val edges = json.list("layout", "edges").map { pair -> pair.indices() }

    /** Another layout to the points that mean the same. */
    val maps = json.indexLists("layout", "maps")
    val isFace = json.text("layout", "object") == "face"
    val inputName = json.text("input", "name")
    val inputShape = json.numbers("input", "shape").map(Double::toInt)
    val channelsLast = json.text("input", "axes") == "NHWC"
    val dtype = json.text("input", "dtype")
    val isRgb = json.text("input", "colour") == "RGB"
    val range = json.numbers("input", "range")
    val crop = with(json.at("crop")) { CropPart(number("factor"), number("least"), number("size").toInt()) }
    val outputs = json.list("outputs").map(::Output)
    val inGraph = json.at("decode", "in_graph") == true
    val method = json.text("decode", "method")
    val threshold = json.number("decode", "threshold")
    val power = json.number("decode", "power").toInt()
    val stride = json.number("decode", "stride")
    val leastScore = (json.at("decode") as Map<*, *>)["least_score"] as? Double ?: 0.0
    val modelName = json.text("model", "name")
    val dataTerms = json.text("training", "data_terms")
    val seal = json.text("seal")

    class Output(json: Any?) {
        val name = json.text("name")
        val meaning = json.text("meaning")
        val frame = json.text("frame")
        val shape = json.numbers("shape").map(Double::toInt)
    }

    init {
        val border = json.text("crop", "border")
        require(border == "black") { "border $border; known is black" }
        require(dtype == "uint8" || dtype == "float32") { "input $dtype; taken are uint8 and float32" }
        require(inputShape.first() == 1) { "a batch of ${inputShape.first()}; a camera has one frame at a time" }
        for (meaning in if (inGraph) listOf("landmarks", "scores") else listOf("heatmaps")) output(meaning)
    }

    fun output(meaning: String): Output =
        requireNotNull(outputs.find { it.meaning == meaning }) { "no output for $meaning" }

    companion object {
        const val KEY = "edgewing.contract"
        private const val SCHEMA = 2.0
        private const val LIMIT = 64 * 1024 // bytes of JSON
        private val UNSEALED = "0".repeat(64)

        /** From its JSON. IllegalArgumentException of one line for what this cannot obey. */
        fun parse(text: String): Contract {
            try {
                val json = Json.parse(text)
                val schema = (json as? Map<*, *>)?.get("schema")
                require(schema == SCHEMA) { "schema $schema; this app reads 2" }
                return Contract(json)
            } catch (error: IllegalArgumentException) {
                throw IllegalArgumentException("the model's contract: ${error.message}", error)
            }
        }

        /** From inside a .tflite file, whose seal must fit. */
        fun read(file: ByteArray): Contract {
            val text = try {
                metadata(ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN))
            } catch (error: RuntimeException) { // a read outside of the file
                throw IllegalArgumentException("the model file is cut off or damaged; copy it again", error)
            }
            requireNotNull(text) { "the model file has no contract inside; export it with `python -m targets`" }
            return parse(text).also { checkSeal(file, it.seal) }
        }

        /** The file's sha256, with every occurrence of the seal as zeros, must be the seal. */
        private fun checkSeal(file: ByteArray, seal: String) {
            if (seal == UNSEALED) return
            val text = String(file, Charsets.ISO_8859_1).replace(seal, UNSEALED)
            val digest = MessageDigest.getInstance("SHA-256").digest(text.toByteArray(Charsets.ISO_8859_1))
            val found = digest.joinToString("") { "%02x".format(it) }
            require(found == seal) { "the model file is damaged, or changed since it was exported; copy it again" }
        }

        /** The metadata entry KEY. Model: buffers 4, metadata 6; Metadata: name 0, buffer 1; Buffer: data 0, offset 1,
         * size 2 (TFLite's schema.fbs). */
        private fun metadata(file: ByteBuffer): String? {
            fun at(place: Int) = place + file.getInt(place)
            fun field(table: Int, index: Int): Int {
                val vtable = table - file.getInt(table)
                val slot = 4 + 2 * index
                val offset = if (slot < file.getShort(vtable)) file.getShort(vtable + slot).toInt() else 0
                return if (offset == 0) 0 else table + offset
            }
            fun text(start: Int, length: Int): String {
                check(length in 0..LIMIT)
                return String(ByteArray(length) { file.get(start + it) }, Charsets.UTF_8)
            }
            fun tables(table: Int, index: Int): List<Int> {
                val start = field(table, index).let { if (it == 0) return emptyList() else at(it) }
                check(file.getInt(start) in 0..file.limit() / 4)
                return List(file.getInt(start)) { at(start + 4 + 4 * it) }
            }
            check(text(4, 4) == "TFL3")
            val buffers = tables(at(0), 4)
            val entry = tables(at(0), 6).find {
                val name = at(field(it, 0))
                text(name + 4, file.getInt(name)) == KEY
            } ?: return null
            val buffer = buffers[field(entry, 1).let { if (it == 0) 0 else file.getInt(it) }]
            val inside = field(buffer, 0)
            if (inside != 0) return text(at(inside) + 4, file.getInt(at(inside)))
            val (offset, size) = listOf(1, 2).map { file.getLong(field(buffer, it)).toInt() }
            return text(offset, size) // behind the flatbuffer, as in large files
        }
    }
}
