import Foundation

/// A face, or whatever the layout is of. box: what its crop was made from, image px, turned about its middle as the crop
/// is, by so many radians, clockwise. landmarks: image px. there: which points are in the picture, as far as scores tell.
public struct Face {
    public let box: Box, turn: Double, landmarks, scores: [Float], there: [Bool]
    /// The tight box of its points, turned about its middle as the crop is.
    public let landmarkBox: Box

    init(_ box: Box, _ turn: Double, _ landmarks: [Float], _ scores: [Float], _ there: [Bool]) {
        (self.box, self.turn, self.landmarks, self.scores, self.there) = (box, turn, landmarks, scores, there)
        landmarkBox = turnedBox(landmarks, turn, there)
    }

    /// Mean score of the points that are there.
    public var confidence: Double {
        let counted = scores.indices.filter { there[$0] }
        return counted.isEmpty ? 0 : counted.reduce(0) { $0 + Double(scores[$1]) } / Double(counted.count)
    }
}

/// What a model takes: bytes where its contract says uint8 or image (then (size, size, 3) RGB), else floats.
public enum Tensor { case bytes([UInt8]), floats([Float]) }

/// Runs a model: its input to its outputs by name.
public typealias Network = (Tensor) throws -> [String: [Float]]

/// A box in, a face with landmarks out, as edgewing/landmarker.py has it.
public final class Landmarker {
    public let contract: Contract
    private let network: Network

    public init(_ contract: Contract, _ network: @escaping Network) {
        (self.contract, self.network) = (contract, network)
    }

    /// box: around brows, ears and chin of a face, or around the points of what is none, image px.
    public func face(_ picture: Picture, _ box: Box, turn: Double = 0) throws -> Face {
        let crop = try Crop(around: box, contract.crop, turn: turn)
        let found = try points(try network(toInput(sample(picture, crop), contract)), contract)
        let there = found.scores.map { Double($0) >= contract.decode.leastScore ?? 0 }
        return Face(box, turn, crop.toImage(found.landmarks), found.scores, there)
    }
}

/// (size, size, 3) RGB bytes to what a model takes: colour order, value range, type and axes.
public func toInput(_ rgb: [UInt8], _ contract: Contract) -> Tensor {
    let (input, cells) = (contract.input, rgb.count / 3)
    if input.dtype == "image" { return .bytes(rgb) }
    let ordered: [UInt8] = rgb.indices.map { i in
        let (cell, channel) = input.axes == "NHWC" ? (i / 3, i % 3) : (i % cells, i / cells)
        return rgb[3 * cell + (input.colour == "RGB" ? channel : 2 - channel)]
    }
    if input.dtype == "uint8" { return .bytes(ordered) }
    let (low, high) = (input.range[0], input.range[1])
    return .floats(ordered.map { Float(Double($0) * ((high - low) / 255) + low) })
}
