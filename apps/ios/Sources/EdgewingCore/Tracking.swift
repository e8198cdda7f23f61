import Foundation

/// Of settings.json; what each number means is said in edgewing/faces.py and edgewing/tracking.py.
public struct TrackingSettings: Decodable {
    public struct Trust: Decodable {
        let leastNew, leastKept, confidenceSeconds, leastSide, mostAspect, mostGrowth, leastOverlap, leastInside: Double
        let leastThere, same: Double
    }
    public struct Search: Decodable { let beat, memory, reach: Double, mostFaces: Int }
    let filter: FilterSettings, track: Trust, search: Search
}

/// Where to look for new ones. same: overlap of two finds of one face. whole: the whole picture is the one find.
public struct Finder {
    let same: Double, whole: Bool, find: (Picture) throws -> [Box]

    public init(same: Double, whole: Bool = false, find: @escaping (Picture) throws -> [Box]) {
        (self.same, self.whole, self.find) = (same, whole, find)
    }

    public init(_ detector: Detector) {
        self.init(same: detector.settings.same) { try detector.find($0).map(\.box) }
    }

    /// For what no detector knows.
    public static let wholePicture = Finder(same: 1, whole: true) {
        [Box(-0.5, -0.5, Double($0.width) - 0.5, Double($0.height) - 0.5)]
    }
}

/// A face in one frame. landmarks: image px, held steady. face: as the model gave it. confidence: mean score over the
/// last moments. age: s since it was found.
public struct Track { public let id: Int, landmarks: [Float], face: Face, confidence, age: Double }

/// Faces followed from frame to frame, as edgewing/tracking.py does it, but upright ones alone: the next crop comes
/// from the last landmarks, and points are held steady. No clock, no camera: frames and times are handed in.
public final class Tracker {
    private final class Followed {
        let id: Int, begun: Double, filter: OneEuro
        var box: Box, confidence: Double, seen: Double

        init(_ id: Int, _ begun: Double, _ box: Box, _ confidence: Double, _ filter: OneEuro) {
            (self.id, self.begun, self.filter) = (id, begun, filter)
            (self.box, self.confidence, seen) = (box, confidence, begun)
        }
    }

    private typealias Shown = (followed: Followed, track: Track)
    private let landmarker: Landmarker, finder: Finder, settings: TrackingSettings
    /// Whether it looked for new ones in the last frame.
    public private(set) var searched = false
    private var nextId = 0
    private var tracks = [Followed](), lost = [Followed]()
    private var now = -Double.infinity, searchTime = -Double.infinity
    private var frame = Box(0, 0, 0, 0)

    public init(_ landmarker: Landmarker, _ finder: Finder, _ settings: TrackingSettings) {
        (self.landmarker, self.finder, self.settings) = (landmarker, finder, settings)
    }

    /// Forget all tracks; ids go on.
    public func reset() {
        (tracks, lost) = ([], [])
        (now, searchTime) = (-.infinity, -.infinity)
    }

    /// Tracks of a frame, oldest first. time: s, never less than that of the frame before. A frame of another size
    /// begins anew.
    public func step(_ picture: Picture, _ time: Double) throws -> [Track] {
        guard time >= now else { throw Refusal("a frame of time \(time) s after one of \(now) s") }
        let shape = Box(0, 0, Double(picture.width), Double(picture.height))
        if shape != frame { reset() }
        (now, frame) = (time, shape)
        var shown = [Shown]()
        for followed in tracks {
            let face = try landmarker.face(picture, followed.box)
            guard goesOn(followed, face) else { lost.append(followed); continue }
            shown.append((followed, advance(followed, face)))
        }
        lost.removeAll { time - $0.seen > settings.search.memory }
        let again = !lost.isEmpty || time - searchTime >= settings.search.beat
        searched = shown.isEmpty || (again && !finder.whole)
        if searched {
            searchTime = time
            shown += try find(picture, shown.map(\.followed.box))
        }
        let kept = apart(shown)
        tracks = kept.map(\.followed)
        return kept.map(\.track)
    }

    /// Whether the landmarks are still those of the face. Its confidence is brought up to date.
    private func goesOn(_ followed: Followed, _ face: Face) -> Bool {
        let trust = settings.track
        let share = 1 - exp(-(now - followed.seen) / trust.confidenceSeconds)
        followed.confidence += share * (face.confidence - followed.confidence)
        guard followed.confidence >= trust.leastKept, plausible(face) else { return false }
        let growth = face.landmarkBox.size / followed.box.size
        return followed.box.overlap(face.landmarkBox) >= trust.leastOverlap
            && growth >= 1 / trust.mostGrowth && growth <= trust.mostGrowth
    }

    /// With enough of its points, finite, neither tiny nor thin, and mostly inside.
    private func plausible(_ face: Face) -> Bool {
        let (trust, box) = (settings.track, face.landmarkBox)
        let there = face.there.filter { $0 }.count
        let (shorter, longer) = (min(box.width, box.height), max(box.width, box.height))
        return Double(there) >= trust.leastThere * Double(face.there.count) && box.area.isFinite
            && shorter >= trust.leastSide && longer <= trust.mostAspect * shorter
            && box.shared(frame) >= trust.leastInside * box.area
    }

    private func advance(_ followed: Followed, _ face: Face) -> Track {
        let steady = followed.filter.step(face.landmarks, now, face.landmarkBox.size, face.there)
        // a crop from landmarks that tremble makes the next ones tremble more: the steady ones say where it is
        followed.box = landmarkBox(steady, face.there)
        followed.seen = now
        let age = now - followed.begun
        return Track(id: followed.id, landmarks: steady, face: face, confidence: followed.confidence, age: age)
    }

    /// Finds that are not among the known boxes, as far as there is room for them.
    private func find(_ picture: Picture, _ known: [Box]) throws -> [Shown] {
        let fresh = try finder.find(picture).filter { box in known.allSatisfy { box.overlap($0) < finder.same } }
        return try fresh.prefix(max(0, settings.search.mostFaces - known.count)).compactMap { box in
            let face = try landmarker.face(picture, box)
            guard face.confidence >= settings.track.leastNew, plausible(face) else { return nil }
            let again = lostNear(face.landmarkBox)
            let (id, begun) = again.map { ($0.id, $0.begun) } ?? (nextId, now)
            if again == nil { nextId += 1 }
            let followed = Followed(id, begun, box, face.confidence, OneEuro(settings.filter))
            return (followed, advance(followed, face))
        }
    }

    /// The lost track whose place is nearest to a box, if that is near enough; it is taken out of the lost ones.
    private func lostNear(_ box: Box) -> Followed? {
        let distances = lost.map { hypot(box.x - $0.box.x, box.y - $0.box.y) }
        guard let nearest = distances.min(), nearest <= settings.search.reach * box.size else { return nil }
        return lost.remove(at: distances.firstIndex(of: nearest)!)
    }

    /// Of tracks that have come to lie on one face, the oldest.
    private func apart(_ shown: [Shown]) -> [Shown] {
        var kept = [Shown]()
        for one in shown.sorted(by: { $0.followed.id < $1.followed.id })
        where kept.allSatisfy({ one.followed.box.overlap($0.followed.box) < settings.track.same }) {
            kept.append(one)
        }
        return kept
    }
}
