import Foundation

/// Degrees. yaw > 0: the face looks to the right of the picture; pitch > 0: down; roll > 0: it is tilted against the clock.
public struct Pose: Equatable { public let yaw, pitch, roll: Double }

/// Degrees that the eyes are turned in the head: to the person's left, and up.
public struct Gaze: Equatable { public let left, up: Double }

/// Each is nil where the layout, or the points that are there, do not tell. units: the 52 of ARKit, 0 to 1. Foundation has
/// an Expression of its own.
public struct FaceExpression {
    public let pose: Pose?, units: [String: Double]?, gaze: Gaze?

    public init(pose: Pose? = nil, units: [String: Double]? = nil, gaze: Gaze? = nil) {
        (self.pose, self.units, self.gaze) = (pose, units, gaze)
    }
}

/// What a face does and where it looks, from its landmarks, as edgewing/expression.py reads it.
public struct ExpressionReader {
    private let names: [String], head, whole: Reader

    /// json: expression.json, its weights.
    public init(_ json: Data) throws {
        guard let arrays = try? JSONSerialization.jsonObject(with: json) as? [String: Any],
              let names = arrays["names"] as? [String] else { throw Refusal("expression.json is damaged; copy it again") }
        self.names = names
        head = try Reader(arrays, "pose", "300w-68")
        whole = try Reader(arrays, "units", "wflw-98")
    }

    /// landmarks: px; there: which of them are in the picture; layout, maps: of the contract.
    public func read(_ landmarks: [Float], _ there: [Bool], layout: String, maps: [String: [Int]]) -> FaceExpression {
        func told(_ reader: Reader) -> (outputs: [Double], turned: Double)? {
            let index = layout == reader.wanted ? Array(there.indices) : maps[reader.wanted]
            return index.flatMap { reader.answer(landmarks, there, $0) }
        }
        let pose = told(head).map { found in
            let roll = found.turned + found.outputs[2] + 180
            return Pose(yaw: found.outputs[0], pitch: found.outputs[1], roll: roll - 360 * (roll / 360).rounded(.down) - 180)
        }
        guard let outputs = told(whole)?.outputs else {
            return FaceExpression(pose: pose)
        }
        let units = zip(names, outputs).map { ($0, min(max($1, 0), 1)) }
        let gaze = Gaze(left: outputs[outputs.count - 2], up: outputs[outputs.count - 1])
        return FaceExpression(pose: pose, units: Dictionary(uniqueKeysWithValues: units), gaze: gaze)
    }
}

/// One network of three layers. wanted: the layout whose points it takes.
private struct Reader {
    let wanted: String
    private let shape, deviation: [Double], layers: [(weight: [Double], bias: [Double])]
    private static let least = 6 // points

    init(_ arrays: [String: Any], _ name: String, _ wanted: String) throws {
        self.wanted = wanted
        shape = try numbers(arrays["\(name)_shape"])
        deviation = try numbers(arrays["\(name)_deviation"])
        layers = try (0..<3).map { (try numbers(arrays["\(name)_weight\($0)"]), try numbers(arrays["\(name)_bias\($0)"])) }
    }

    /// Its outputs for the points of that index, and by how many degrees the face was turned, against the clock.
    func answer(_ landmarks: [Float], _ there: [Bool], _ index: [Int]) -> (outputs: [Double], turned: Double)? {
        let x = index.map { Double(landmarks[2 * $0]) }, y = index.map { Double(landmarks[2 * $0 + 1]) }
        let seen = index.indices.filter { there[index[$0]] }
        guard seen.count >= Reader.least, seen.allSatisfy({ x[$0].isFinite && y[$0].isFinite }) else { return nil }
        let spread = [x, y].map { line in seen.map { line[$0] }.max()! - seen.map { line[$0] }.min()! }
        guard spread.max()! >= 1e-3 else { return nil }
        let (offsets, turned) = normalised(x, y, seen)
        var values = zip(offsets, deviation).map { $0 / $1 }
        for (number, layer) in layers.enumerated() {
            var sums = layer.bias
            for (i, value) in values.enumerated() {
                for j in sums.indices { sums[j] += value * layer.weight[i * sums.count + j] }
            }
            values = number < 2 ? sums.map { max($0, 0) } : sums
        }
        return (values, turned)
    }

    /// Moved, turned and scaled to lie nearest to the shape: how far each point is from there, all x, then all y, and 0
    /// for points that are not seen; by how many degrees it was turned, against the clock.
    private func normalised(_ x: [Double], _ y: [Double], _ seen: [Int]) -> ([Double], Double) {
        func centred(_ value: (Int) -> Double) -> [Double] {
            let mean = seen.map(value).reduce(0, +) / Double(seen.count)
            return seen.map { value($0) - mean }
        }
        let dx = centred { x[$0] }, dy = centred { y[$0] }
        let u = centred { shape[2 * $0] }, v = centred { shape[2 * $0 + 1] }
        var (size, cos, sin) = (0.0, 0.0, 0.0)
        for k in seen.indices {
            size += dx[k] * dx[k] + dy[k] * dy[k]
            cos += dx[k] * u[k] + dy[k] * v[k]
            sin += dx[k] * v[k] - dy[k] * u[k]
        }
        (cos, sin) = (cos / max(size, 1e-12), sin / max(size, 1e-12))
        var off = [Double](repeating: 0, count: 2 * x.count)
        for (k, n) in seen.enumerated() {
            off[n] = cos * dx[k] - sin * dy[k] - u[k]
            off[x.count + n] = sin * dx[k] + cos * dy[k] - v[k]
        }
        return (off, atan2(sin, cos) * 180 / .pi)
    }
}

/// An array of expression.json, flat: little-endian float16 or float32 in base64.
private func numbers(_ array: Any?) throws -> [Double] {
    guard let known = array as? [String: String], let data = Data(base64Encoded: known["data"] ?? "") else {
        throw Refusal("expression.json is damaged; copy it again")
    }
    let bytes = [UInt8](data).map(UInt32.init), size = known["type"] == "float16" ? 2 : 4
    return stride(from: 0, to: bytes.count, by: size).map { at in
        let bits = (0..<size).reduce(0) { $0 | bytes[at + $1] << UInt32(8 * $1) }
        return size == 2 ? half(bits) : Double(Float(bitPattern: bits))
    }
}

/// Sixteen bits to the finite number that they are (IEEE 754, binary16); iOS has Float16, a Mac with Intel has not.
private func half(_ bits: UInt32) -> Double {
    let size = Double(Float(bitPattern: (bits & 0x7fff) << 13)) * 0x1p112
    return bits & 0x8000 == 0 ? size : -size
}
