package edgewing.core

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

/** Where to look for new ones. same: overlap of two finds of one face. whole: the whole picture is the one find. */
class Finder(val same: Double, val whole: Boolean, val find: (Picture) -> List<Box>) {
    companion object {
        fun of(detector: Detector) = Finder(detector.settings.same, false) { detector.find(it).map(Detection::box) }

        /** For what no detector knows. */
        fun whole() = Finder(1.0, true) { listOf(Box(-0.5, -0.5, it.width - 0.5, it.height - 0.5)) }
    }
}

/** A face in one frame. landmarks: image px, held steady. face: as the model gave it. confidence: mean score over the
 * last moments. age: s since it was found. */
class Track(val id: Int, val landmarks: FloatArray, val face: Face, val confidence: Double, val age: Double)

/** Faces followed from frame to frame, as edgewing/camera/tracking.py does it, but upright ones alone: the next
 * crop comes from the last landmarks, and points are held steady. No clock, no camera: frames and times are handed
 * in. */
class Tracker(private val landmarker: Landmarker, private val finder: Finder, private val settings: TrackingSettings) {
    private class Followed(val id: Int, val begun: Double, var box: Box, var confidence: Double, val filter: OneEuro) {
        var seen = begun
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
            val face = landmarker.face(picture, followed.box)
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
        // a crop from landmarks that tremble makes the next ones tremble more: the steady ones say where it is
        followed.box = landmarkBox(steady, face.there)
        followed.seen = now
        return Track(followed.id, steady, face, followed.confidence, now - followed.begun)
    }

    /** Finds that are not among the known boxes, as far as there is room for them. */
    private fun find(picture: Picture, known: List<Box>): List<Pair<Followed, Track>> {
        val fresh = finder.find(picture).filter { box -> known.all { box.overlap(it) < finder.same } }
        return fresh.take(max(0, settings.mostFaces - known.size)).mapNotNull { box ->
            val face = landmarker.face(picture, box)
            if (face.confidence < settings.leastNew || !plausible(face)) return@mapNotNull null
            val again = lostNear(face.landmarkBox)
            val (id, begun) = if (again == null) nextId++ to now else again.id to again.begun
            val followed = Followed(id, begun, box, face.confidence, OneEuro(settings.filter))
            followed to advance(followed, face)
        }
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
