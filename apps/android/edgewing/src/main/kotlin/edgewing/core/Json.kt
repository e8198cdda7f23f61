package edgewing.core

/** JSON without a library, so that this package needs neither Android nor a dependency: objects are maps, numbers
 * doubles. IllegalArgumentException where the text is not JSON. */
class Json private constructor(private val text: String) {
    private var at = 0

    private fun fail(): Nothing = throw IllegalArgumentException("not JSON at character $at")

    private fun peek(): Char {
        while (at < text.length && text[at] in " \t\r\n") at++
        return text.getOrElse(at) { fail() }
    }

    private fun take(mark: Char) = if (peek() == mark) at++ else fail()

    private fun value(depth: Int): Any? = when (peek()) {
        '{' -> sequence('}', depth) { string().also { take(':') } to value(depth + 1) }.toMap()
        '[' -> sequence(']', depth) { value(depth + 1) }
        '"' -> string()
        't' -> word("true", true)
        'f' -> word("false", false)
        'n' -> word("null", null)
        else -> number()
    }

    private fun <T> sequence(end: Char, depth: Int, one: () -> T): List<T> {
        if (depth > 64) fail() // a hostile file must not fill the stack
        val found = mutableListOf<T>()
        at++
        if (peek() != end) {
            found += one()
            while (peek() == ',') {
                at++
                found += one()
            }
        }
        take(end)
        return found
    }

    private fun <T> word(name: String, value: T): T {
        if (!text.startsWith(name, at)) fail()
        at += name.length
        return value
    }

    private fun number(): Double {
        val found = Regex("-?[0-9]+(\\.[0-9]+)?([eE][+-]?[0-9]+)?").matchAt(text, at) ?: fail()
        at += found.value.length
        return found.value.toDouble()
    }

    private fun string(): String {
        take('"')
        val made = StringBuilder()
        while (true) {
            val c = text.getOrElse(at++) { fail() }
            if (c == '"') return made.toString()
            made.append(if (c == '\\') escaped() else c)
        }
    }

    private fun escaped(): Char = when (val c = text.getOrElse(at++) { fail() }) {
        'n' -> '\n'
        't' -> '\t'
        'r' -> '\r'
        'b' -> '\b'
        'f' -> '\u000c'
        'u' -> (text.drop(at).take(4).toIntOrNull(16) ?: fail()).toChar().also { at += 4 }
        '"', '\\', '/' -> c
        else -> fail()
    }

    companion object {
        fun parse(text: String): Any? = Json(text).run {
            value(0).also { if (text.drop(at).isNotBlank()) fail() }
        }
    }
}

/** A field of an object, by its path: `json.at("crop", "factor")`. IllegalArgumentException where it is missing. */
fun Any?.at(vararg path: String): Any? = path.fold(this) { inner, name ->
    val map = inner as? Map<*, *> ?: throw IllegalArgumentException("$name is missing")
    if (name in map) map[name] else throw IllegalArgumentException("$name is missing")
}

fun Any?.number(vararg path: String): Double =
    at(*path) as? Double ?: throw IllegalArgumentException("${path.lastOrNull()} is not a number")

fun Any?.text(vararg path: String): String =
    at(*path) as? String ?: throw IllegalArgumentException("${path.lastOrNull()} is not a text")

fun Any?.list(vararg path: String): List<Any?> =
    at(*path) as? List<*> ?: throw IllegalArgumentException("${path.lastOrNull()} is not a list")

fun Any?.numbers(vararg path: String): DoubleArray = list(*path).map { it.number() }.toDoubleArray()

fun Any?.indices(): List<Int> = numbers().map(Double::toInt)

fun Any?.indexLists(vararg path: String): Map<String, List<Int>> =
    (at(*path) as? Map<*, *> ?: throw IllegalArgumentException("${path.lastOrNull()} is not an object"))
        .entries.associate { (name, indices) -> name.text() to indices.indices() }

fun Any?.floats(vararg path: String): FloatArray = list(*path).map { it.number().toFloat() }.toFloatArray()
