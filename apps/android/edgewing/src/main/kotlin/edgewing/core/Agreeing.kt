package edgewing.core

/**
 * A network on a faster chip, taken only if it agrees with the sure one on the first face. Until then, and for good where
 * it does not agree or fails, the sure one runs. limit: px of a 256 px crop.
 */
class Agreeing(
    private val contract: Contract,
    private val sure: Network,
    private val fast: Network,
    private val leastScore: Double,
    private val limit: Double = 1.0,
) : Network {
    /** Null while no face has come. */
    var agrees: Boolean? = null
        private set

    override fun invoke(input: Any): Map<String, FloatArray> {
        if (agrees == true) return fast(input)
        val outputs = sure(input)
        val points = points(outputs, contract)
        if (agrees == null && points.scores.average() >= leastScore) {
            val other = runCatching { points(fast(input), contract) }.getOrNull()
            agrees = other != null && shift(points, other, contract.crop.size) <= limit // NaN is no agreement
        }
        return outputs
    }
}
