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

/// The tight box around the landmarks that are there; empty where none is.
public func landmarkBox(_ landmarks: [Float], _ there: [Bool]) -> Box {
    let counted = there.indices.filter { there[$0] }
    let (xs, ys) = (counted.map { Double(landmarks[2 * $0]) }, counted.map { Double(landmarks[2 * $0 + 1]) })
    guard (xs + ys).allSatisfy(\.isFinite) else { return Box(.nan, .nan, .nan, .nan) } // min() passes over NaN
    return Box(xs.min() ?? 0, ys.min() ?? 0, xs.max() ?? 0, ys.max() ?? 0)
}
