package edgewing.core

import kotlin.math.PI
import kotlin.math.exp
import kotlin.math.hypot
import kotlin.math.max
import kotlin.math.min

/** Of settings.json; what each number means is said in edgewing/faces.py and edgewing/camera/tracking.py. */
class TrackingSettings(json: Any?) {
    val filter = FilterSettings(json.at("filter"))
    val leastNew = json.number("track", "least_new")
    val leastKept = json.number("track", "least_kept")
    val confidenceSeconds = json.number("track", "confidence_seconds")
    val leastSide = json.number("track", "least_side")
    val mostAspect = json.number("track", "most_aspect")
    val mostGrowth = json.number("track", "most_growth")
    val leastOverlap = json.number("track", "least_overlap")
    val leastInside = json.number("track", "least_inside")
    val leastThere = json.number("track", "least_there")
    val same = json.number("track", "same")
    val beat = json.number("search", "beat")
    val memory = json.number("search", "memory")
    val reach = json.number("search", "reach")
    val mostFaces = json.number("search", "most_faces").toInt()
}

/** Where to look for new ones. same: overlap of two finds of one face. turned: a find, if its face is turned by so much;
 * null where the whole picture is the one find. */
class Finder(
    val same: Double,
    val turned: ((Detection, Double) -> Detection)?,
    val find: (Picture) -> List<Detection>,
) {
    val whole get() = turned == null

    companion object {
        fun of(detector: Detector) = Finder(detector.settings.same, detector::turned, detector::find)

        /** For what no detector knows. */
        fun whole() = Finder(1.0, null) { listOf(Detection(Box(-0.5, -0.5, it.width - 0.5, it.height - 0.5), 1.0)) }
    }
}

private val QUARTERS = listOf(PI, PI / 2, -PI / 2)

/** A face in one frame. landmarks: image px, held steady. face: as the model gave it. confidence: mean score over the
 * last moments. age: s since it was found. */
class Track(val id: Int, val landmarks: FloatArray, val face: Face, val confidence: Double, val age: Double)

/** Faces followed from frame to frame, as edgewing/camera/tracking.py does it: the next crop comes from the last
 * landmarks, and points are held steady. No clock, no camera: frames and times are handed in. turns: null where the
 * layout does not tell how a face is turned. unsure: the confidence below which a find is looked at turned. */
class Tracker(
    private val landmarker: Landmarker,
    private val finder: Finder,
    private val settings: TrackingSettings,
    private val turns: Turns? = null,
    private val unsure: Double = 0.0,
) {
    private class Followed(val id: Int, val begun: Double, var box: Box, var confidence: Double, val filter: OneEuro) {
        var seen = begun
        var turn = 0.0 // of the next crop, and of the box about its middle
    }

    /** Whether it looked for new ones in the last frame. */
    var searched = false
        private set
    private var nextId = 0
    private var tracks = listOf<Followed>()
    private val lost = mutableListOf<Followed>()
    private var now = Double.NEGATIVE_INFINITY
    private var searchTime = Double.NEGATIVE_INFINITY
    private var shape = 0 to 0

    /** Forget all tracks; ids go on. */
    fun reset() {
        tracks = emptyList()
        lost.clear()
        now = Double.NEGATIVE_INFINITY
        searchTime = now
    }

    /** Tracks of a frame, oldest first. time: s, never less than that of the frame before. A frame of another size
     * begins anew. */
    fun step(picture: Picture, time: Double): List<Track> {
        require(time >= now) { "a frame of time $time s after one of $now s" }
        if (shape != picture.width to picture.height) reset()
        now = time
        shape = picture.width to picture.height
        val shown = mutableListOf<Pair<Followed, Track>>()
        for (followed in tracks) {
            val face = landmarker.face(picture, followed.box, followed.turn)
            if (goesOn(followed, face)) shown += followed to advance(followed, face) else lost += followed
        }
        lost.removeAll { time - it.seen > settings.memory }
        val again = lost.isNotEmpty() || time - searchTime >= settings.beat
        searched = shown.isEmpty() || again && !finder.whole
        if (searched) {
            searchTime = time
            shown += find(picture, shown.map { it.first.box })
        }
        val kept = apart(shown)
        tracks = kept.map { it.first }
        return kept.map { it.second }
    }

    /** Whether the landmarks are still those of the face. Its confidence is brought up to date. */
    private fun goesOn(followed: Followed, face: Face): Boolean {
        val share = 1 - exp(-(now - followed.seen) / settings.confidenceSeconds)
        followed.confidence += share * (face.confidence - followed.confidence)
        if (followed.confidence < settings.leastKept || !plausible(face)) return false
        val growth = face.landmarkBox.size / followed.box.size
        return followed.box.overlap(face.landmarkBox) >= settings.leastOverlap &&
            growth in 1 / settings.mostGrowth..settings.mostGrowth
    }

    /** With enough of its points, finite, neither tiny nor thin, and mostly inside. */
    private fun plausible(face: Face): Boolean {
        if (face.there.count { it } < settings.leastThere * face.there.size) return false
        val box = face.landmarkBox
        val (shorter, longer) = min(box.width, box.height) to max(box.width, box.height)
        if (!box.area.isFinite() || shorter < settings.leastSide || longer > settings.mostAspect * shorter) return false
        val frame = Box(0.0, 0.0, shape.first.toDouble(), shape.second.toDouble())
        return box.shared(frame) >= settings.leastInside * box.area
    }

    private fun advance(followed: Followed, face: Face): Track {
        val steady = followed.filter.step(face.landmarks, now, face.landmarkBox.size, face.there)
        // a crop from landmarks that tremble makes the next ones tremble more: the steady ones say where it is, how turned
        followed.turn = turns?.let { faceTurn(steady, it) }?.let { cropTurn(it, face.turn) } ?: face.turn
        followed.box = turnedBox(steady, followed.turn, face.there)
        followed.seen = now
        return Track(followed.id, steady, face, followed.confidence, now - followed.begun)
    }

    /** Finds that are not among the known boxes, as far as there is room for them. */
    private fun find(picture: Picture, known: List<Box>): List<Pair<Followed, Track>> {
        val apart = finder.find(picture).filter { one -> known.all { one.box.overlap(it) < finder.same } }
        val fresh = apart.take(max(0, settings.mostFaces - known.size))
        val faces = fresh.map { landmarker.face(picture, it.box, it.turn) }
        val seen = fresh.zip(faces).map { (found, face) -> lookedAtAgain(picture, found, face) }
        return surest(seen).filter(::trusted).map { face ->
            val again = lostNear(face.landmarkBox)
            val (id, begun) = if (again == null) nextId++ to now else again.id to again.begun
            val followed = Followed(id, begun, face.box, face.confidence, OneEuro(settings.filter))
            followed to advance(followed, face)
        }
    }

    private fun trusted(face: Face) = face.confidence >= settings.leastNew && plausible(face)

    /** A find whose points are unsure, at three other turns, for detectors take a chin for a brow; one that is turned,
     * from its first points (edgewing.landmarker.Landmarker.find). */
    private fun lookedAtAgain(picture: Picture, found: Detection, first: Face): Face {
        if (finder.turned == null) return first
        val others = (if (first.confidence < unsure) QUARTERS else emptyList()).map { quarter ->
            finder.turned.invoke(found, found.turn + quarter).let { landmarker.face(picture, it.box, it.turn) }
        }
        val face = (listOf(first) + others.filter(::trusted)).maxBy { it.confidence }
        if (!trusted(face) || face.turn == 0.0) return face
        val turn = cropTurn(turns?.let { faceTurn(face.landmarks, it) } ?: face.turn)
        val again = landmarker.face(picture, turnedBox(face.landmarks, turn, face.there), turn)
        return if (trusted(again)) again else face
    }

    /** Without those that fill the same place as a surer one: a detector may find a face twice
     * (edgewing.landmarker.Landmarker.find). */
    private fun surest(faces: List<Face>): List<Face> {
        val kept = mutableListOf<Face>()
        for (face in faces.sortedByDescending { it.confidence }) {
            if (kept.all { face.landmarkBox.overlap(it.landmarkBox) < settings.same }) kept += face
        }
        return faces.filter { it in kept }
    }

    /** The lost track whose place is nearest to a box, if that is near enough; it is taken out of the lost ones. */
    private fun lostNear(box: Box): Followed? {
        fun distance(one: Followed) = hypot(box.x - one.box.x, box.y - one.box.y)
        val nearest = lost.minByOrNull(::distance)?.takeIf { distance(it) <= settings.reach * box.size }
        return nearest?.also { lost.remove(it) }
    }

    /** Of tracks that have come to lie on one face, the oldest. */
    private fun apart(shown: List<Pair<Followed, Track>>): List<Pair<Followed, Track>> = buildList {
        for (one in shown.sortedBy { it.first.id }) {
            if (all { one.first.box.overlap(it.first.box) < settings.same }) add(one)
        }
    }
}
