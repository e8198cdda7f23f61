package edgewing.core

import kotlin.math.PI
import kotlin.math.hypot

/** Of settings.json, as edgewing.camera.tracking.Filter has it. Cutoffs in Hz, longestGap in s. */
class FilterSettings(json: Any?) {
    val leastCutoff = json.number("least_cutoff")
    val speedCutoff = json.number("speed_cutoff")
    val ownShare = json.number("own_share")
    val derivativeCutoff = json.number("derivative_cutoff")
    val longestGap = json.number("longest_gap")
}

/** The One-Euro filter (Casiez, Roussel, Vogel, CHI 2012) on all points of a face at once, as
 * edgewing/camera/tracking.py has it: the speed is that of the whole face, plus a share of each point's own, in face
 * sizes per second. */
class OneEuro(private val settings: FilterSettings) {
    private var points: DoubleArray? = null
    private var velocity = DoubleArray(0)
    private var time = 0.0

    /** Landmarks at a time in s, of a face of that size in px, to steady ones. A time that does not advance changes
     * nothing. there: the points that say how fast the whole is. */
    fun step(raw: FloatArray, now: Double, size: Double, there: BooleanArray): FloatArray {
        val gap = now - time
        val kept = points
        if (kept == null || gap > settings.longestGap) {
            points = DoubleArray(raw.size) { raw[it].toDouble() }
            velocity = DoubleArray(raw.size)
            time = now
        } else if (gap > 0) {
            move(kept, raw, gap, size, there)
            time = now
        }
        return points!!.let { steady -> FloatArray(steady.size) { steady[it].toFloat() } }
    }

    private fun move(kept: DoubleArray, raw: FloatArray, gap: Double, size: Double, there: BooleanArray) {
        val share = smoothing(settings.derivativeCutoff, gap)
        for (i in raw.indices) velocity[i] += share * ((raw[i] - kept[i]) / gap - velocity[i])
        val counted = there.indices.filter { there[it] }
        val (wholeX, wholeY) = (0..1).map { axis -> counted.map { velocity[2 * it + axis] }.average() }
        for (i in raw.indices step 2) {
            val own = hypot(velocity[i] - wholeX, velocity[i + 1] - wholeY)
            val speed = (hypot(wholeX, wholeY) + settings.ownShare * own) / size
            val alpha = smoothing(settings.leastCutoff + settings.speedCutoff * speed, gap)
            for (k in i..i + 1) kept[k] += alpha * (raw[k] - kept[k])
        }
    }

    /** The factor alpha of an exponential low-pass, from its cutoff in Hz and the time since the last sample in s. */
    private fun smoothing(cutoff: Double, gap: Double) = 1 / (1 + 1 / (2 * PI * cutoff * gap))
}
