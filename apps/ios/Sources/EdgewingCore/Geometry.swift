import Foundation

// Boxes and crops, as edgewing/geometry.py has them. Image px: (0, 0) is the centre of the top-left one. Landmarks are
// x0, y0, x1, y1, ...

public struct Box: Equatable {
    public var x0, y0, x1, y1: Double

    public init(_ x0: Double, _ y0: Double, _ x1: Double, _ y1: Double) {
        (self.x0, self.y0, self.x1, self.y1) = (x0, y0, x1, y1)
    }

    public var width: Double { x1 - x0 }
    public var height: Double { y1 - y0 }
    public var x: Double { (x0 + x1) / 2 }
    public var y: Double { (y0 + y1) / 2 }
    /// Mean of its sides.
    public var size: Double { (width + height) / 2 }
    /// 0 where it is turned inside out.
    public var area: Double { max(0, width) * max(0, height) }

    public func shared(_ other: Box) -> Double {
        Box(max(x0, other.x0), max(y0, other.y0), min(x1, other.x1), min(y1, other.y1)).area
    }

    /// Intersection over union.
    public func overlap(_ other: Box) -> Double {
        shared(other) / max(area + other.area - shared(other), 1e-12)
    }
}

/// side = max(factor * mean(w, h), least * max(w, h)) of a box, about its centre; size: of the crop, in its own px.
public struct CropPart: Decodable { public let factor, least: Double, size: Int, border: String }

/// The square of an image that a network sees. turn: radians about its centre, clockwise as one sees it.
public struct Crop {
    public let side: Double, size: Int
    /// Crop px to image px, a (2, 3) matrix row by row: the square's edge is the edge of crop pixel 0.
    public let map: [Double]

    public init(around box: Box, _ part: CropPart, turn: Double = 0) throws {
        guard box.width > 0, box.height > 0, box.area.isFinite else { throw Refusal("empty or broken box \(box)") }
        (side, size) = (max(part.factor * box.size, part.least * max(box.width, box.height)), part.size)
        let (c, s) = (side / Double(size) * cos(turn), side / Double(size) * sin(turn))
        let first = Double(1 - size) / 2
        map = [c, -s, (c - s) * first + box.x, s, c, (s + c) * first + box.y]
    }

    public func toImage(_ landmarks: [Float]) -> [Float] {
        landmarks.indices.map { i in
            let (u, v, row) = (Double(landmarks[i & ~1]), Double(landmarks[i | 1]), 3 * (i & 1))
            return Float(map[row] * u + map[row + 1] * v + map[row + 2])
        }
    }
}

/// Of a face's tilt in its crop, radians: networks know faces that are tilted so much (geometry.LEVEL).
private let level = 25 * Double.pi / 180

/// How a crop is to be turned for a face that is turned by `found`: as before, while the face is level enough in that.
public func cropTurn(_ found: Double, before: Double = 0) -> Double {
    func within(_ angle: Double) -> Double { angle - 2 * .pi * ((angle + .pi) / (2 * .pi)).rounded(.down) }
    return abs(within(found - before)) <= level ? before : within(found)
}

/// The tight box of the landmarks that are there and turned by so much: its sides are theirs, and it is to be turned about
/// its middle. Empty where none is there.
public func turnedBox(_ landmarks: [Float], _ turn: Double, _ there: [Bool]) -> Box {
    let box = landmarkBox(rotated(landmarks.map(Double.init), -turn), there)
    if turn == 0 { return box }
    let middle = rotated([box.x, box.y], turn)
    let (w, h) = (box.width / 2, box.height / 2)
    return Box(middle[0] - w, middle[1] - h, middle[0] + w, middle[1] + h)
}

private func landmarkBox(_ landmarks: [Double], _ there: [Bool]) -> Box {
    let counted = there.indices.filter { there[$0] }
    let (xs, ys) = (counted.map { landmarks[2 * $0] }, counted.map { landmarks[2 * $0 + 1] })
    guard (xs + ys).allSatisfy(\.isFinite) else { return Box(.nan, .nan, .nan, .nan) } // min() passes over NaN
    return Box(xs.min() ?? 0, ys.min() ?? 0, xs.max() ?? 0, ys.max() ?? 0)
}

/// Points x0, y0, x1, y1, ... turned about (0, 0), clockwise as one sees it.
func rotated(_ points: [Double], _ turn: Double) -> [Double] {
    let (c, s) = (cos(turn), sin(turn))
    return points.indices.map { i in
        i % 2 == 0 ? c * points[i] - s * points[i + 1] : s * points[i - 1] + c * points[i]
    }
}

/// Of settings.json: when a face is looked at turned, and what tells how it is turned: its eyes, tip of the nose and
/// corners of the mouth (points of the layout each), and where these are in an upright face.
public struct Turns: Decodable { public let points: [[Int]], places: [[Double]] }

/// Radians by which a face is turned from upright, clockwise: by the similarity of its five places to upright ones. Nil
/// where they do not tell.
public func faceTurn(_ landmarks: [Float], _ turns: Turns) -> Double? {
    let given = turns.points.map { several in [0, 1].map { k in mean(several.map { Double(landmarks[2 * $0 + k]) }) } }
    var (real, imaginary) = (0.0, 0.0)
    for (one, upright) in zip(centred(given), centred(turns.places)) {
        real += one[0] * upright[0] + one[1] * upright[1]
        imaginary += one[0] * upright[1] - one[1] * upright[0]
    }
    return hypot(real, imaginary) > 0 ? -atan2(imaginary, real) : nil // not where one is NaN either
}

/// Points x, y, counted from their mean.
private func centred(_ points: [[Double]]) -> [[Double]] {
    let (x, y) = (mean(points.map { $0[0] }), mean(points.map { $0[1] }))
    return points.map { [$0[0] - x, $0[1] - y] }
}

private func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }
