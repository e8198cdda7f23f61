import Foundation

/// Of settings.json; what each number means is said in edgewing/faces.py and edgewing/camera/tracking.py.
public struct TrackingSettings: Decodable {
    public struct Trust: Decodable {
        let leastNew, leastKept, confidenceSeconds, leastSide, mostAspect, mostGrowth, leastOverlap, leastInside: Double
        let leastThere, same: Double
    }
    public struct Search: Decodable { let beat, memory, reach: Double, mostFaces: Int }
    let filter: FilterSettings, track: Trust, search: Search
}

/// Where to look for new ones. same: overlap of two finds of one face. turned: a find, if its face is turned by so much; nil
/// where the whole picture is the one find.
public struct Finder {
    public typealias Turned = (Detection, Double) -> Detection
    let same: Double, turned: Turned?, find: (Picture) throws -> [Detection]

    public init(same: Double, turned: Turned?, find: @escaping (Picture) throws -> [Detection]) {
        (self.same, self.turned, self.find) = (same, turned, find)
    }

    public init(_ detector: Detector) {
        self.init(same: detector.settings.same, turned: detector.turned, find: detector.find)
    }

    /// For what no detector knows.
    public static let wholePicture = Finder(same: 1, turned: nil) {
        [Detection(Box(-0.5, -0.5, Double($0.width) - 0.5, Double($0.height) - 0.5), 1)]
    }
}

/// A face in one frame. landmarks: image px, held steady. face: as the model gave it. confidence: mean score over the
/// last moments. age: s since it was found.
public struct Track { public let id: Int, landmarks: [Float], face: Face, confidence, age: Double }

private let quarters: [Double] = [.pi, .pi / 2, -.pi / 2]

/// Faces followed from frame to frame, as edgewing/camera/tracking.py does it: the next crop comes from the last landmarks,
/// and points are held steady. No clock, no camera: frames and times are handed in.
public final class Tracker {
    private final class Followed {
        let id: Int, begun: Double, filter: OneEuro
        var box: Box, confidence: Double, seen: Double
        var turn = 0.0 // of the next crop, and of the box about its middle

        init(_ id: Int, _ begun: Double, _ box: Box, _ confidence: Double, _ filter: OneEuro) {
            (self.id, self.begun, self.filter) = (id, begun, filter)
            (self.box, self.confidence, seen) = (box, confidence, begun)
        }
    }

    private typealias Shown = (followed: Followed, track: Track)
    private let landmarker: Landmarker, finder: Finder, settings: TrackingSettings, turns: Turns?
    private let unsure: Double
    /// Whether it looked for new ones in the last frame.
    public private(set) var searched = false
    private var nextId = 0
    private var tracks = [Followed](), lost = [Followed]()
    private var now = -Double.infinity, searchTime = -Double.infinity
    private var frame = Box(0, 0, 0, 0)

    /// turns: nil where the layout does not tell how a face is turned. unsure: the confidence below which a find is looked
    /// at turned.
    public init(
        _ landmarker: Landmarker, _ finder: Finder, _ settings: TrackingSettings, _ turns: Turns? = nil, unsure: Double = 0
    ) {
        (self.landmarker, self.finder, self.settings) = (landmarker, finder, settings)
        (self.turns, self.unsure) = (turns, unsure)
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
            let face = try landmarker.face(picture, followed.box, turn: followed.turn)
            guard goesOn(followed, face) else { lost.append(followed); continue }
            shown.append((followed, advance(followed, face)))
        }
        lost.removeAll { time - $0.seen > settings.search.memory }
        let again = !lost.isEmpty || time - searchTime >= settings.search.beat
        searched = shown.isEmpty || (again && finder.turned != nil)
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
        // a crop from landmarks that tremble makes the next ones tremble more: the steady ones say where it is, how turned
        let found = turns.flatMap { faceTurn(steady, $0) }
        followed.turn = found.map { cropTurn($0, before: face.turn) } ?? face.turn
        followed.box = turnedBox(steady, followed.turn, face.there)
        followed.seen = now
        let age = now - followed.begun
        return Track(id: followed.id, landmarks: steady, face: face, confidence: followed.confidence, age: age)
    }

    /// Finds that are not among the known boxes, as far as there is room for them.
    private func find(_ picture: Picture, _ known: [Box]) throws -> [Shown] {
        let apart = try finder.find(picture).filter { one in known.allSatisfy { one.box.overlap($0) < finder.same } }
        let fresh = apart.prefix(max(0, settings.search.mostFaces - known.count))
        let first = try fresh.map { try landmarker.face(picture, $0.box, turn: $0.turn) }
        let faces = try zip(fresh, first).map { try lookedAtAgain(picture, $0, $1) }
        return surest(faces).filter(trusted).map { face in
            let again = lostNear(face.landmarkBox)
            let (id, begun) = again.map { ($0.id, $0.begun) } ?? (nextId, now)
            if again == nil { nextId += 1 }
            let followed = Followed(id, begun, face.box, face.confidence, OneEuro(settings.filter))
            return (followed, advance(followed, face))
        }
    }

    private func trusted(_ face: Face) -> Bool { face.confidence >= settings.track.leastNew && plausible(face) }

    /// A find whose points are unsure, at three other turns, for detectors take a chin for a brow; one that is turned, from
    /// its first points (edgewing.landmarker.Landmarker.find).
    private func lookedAtAgain(_ picture: Picture, _ found: Detection, _ first: Face) throws -> Face {
        guard let turned = finder.turned else { return first }
        var face = first
        for quarter in first.confidence < unsure ? quarters : [] {
            let other = turned(found, found.turn + quarter)
            let seen = try landmarker.face(picture, other.box, turn: other.turn)
            if trusted(seen) && seen.confidence > face.confidence { face = seen }
        }
        if !trusted(face) || face.turn == 0 { return face }
        let turn = cropTurn(turns.flatMap { faceTurn(face.landmarks, $0) } ?? face.turn)
        let again = try landmarker.face(picture, turnedBox(face.landmarks, turn, face.there), turn: turn)
        return trusted(again) ? again : face
    }

    /// Without those that fill the same place as a surer one: a detector may find a face twice
    /// (edgewing.landmarker.Landmarker.find).
    private func surest(_ faces: [Face]) -> [Face] {
        var kept = [Int]()
        for number in faces.indices.sorted(by: { faces[$0].confidence > faces[$1].confidence })
        where kept.allSatisfy({ faces[number].landmarkBox.overlap(faces[$0].landmarkBox) < settings.track.same }) {
            kept.append(number)
        }
        return kept.sorted().map { faces[$0] }
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
