import Foundation

/// One line: what is wrong, and what to do.
public struct Refusal: Error, CustomStringConvertible {
    public let description: String

    public init(_ description: String) { self.description = description }
}

/// Names in JSON are `least_score`, here `leastScore`.
public func decoded<T: Decodable>(_ type: T.Type, from data: Data) throws -> T {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(type, from: data)
}

/// What a model says of itself (docs/contract.md of edgewing): all that a loader has to know.
public struct Contract: Decodable {
    /// maps: another layout to the points that mean the same.
    public struct Layout: Decodable {
        public let name: String, points: Int, edges: [[Int]], maps: [String: [Int]], object: String
    }
    public struct Input: Decodable { public let name, axes, dtype, colour: String, shape: [Int], range: [Double] }
    public struct Output: Decodable { public let name, meaning, frame: String, shape: [Int] }
    public struct Decode: Decodable {
        public let inGraph: Bool, method: String, threshold: Double, power: Int, stride: Double, leastScore: Double?
    }
    public struct Model: Decodable { public let name: String }
    public struct Training: Decodable { public let dataTerms: String }

    public let layout: Layout, input: Input, crop: CropPart, outputs: [Output], decode: Decode, model: Model
    public let training: Training, seal: String

    private struct Version: Decodable { let schema: Int }
    private static let limit = 64 * 1024 // bytes of JSON

    /// From its JSON. Throws a Refusal for what this cannot obey.
    public static func parse(_ text: String) throws -> Contract {
        let data = Data(text.utf8)
        guard data.count <= limit, (try? JSONSerialization.jsonObject(with: data)) != nil else {
            throw Refusal("the model's contract is not JSON of at most 64 KB")
        }
        let schema = try? decoded(Version.self, from: data).schema
        guard schema == 2 else {
            throw Refusal("the model's contract: schema \(schema.map(String.init) ?? "missing"); this app reads 2")
        }
        let contract: Contract
        do {
            contract = try decoded(Contract.self, from: data)
        } catch {
            throw Refusal("the model's contract is broken: \(error)")
        }
        if let objection = contract.objection { throw Refusal("the model's contract: \(objection)") }
        return contract
    }

    private var objection: String? {
        if crop.border != "black" { return "border \(crop.border); known is black" }
        if !["image", "uint8", "float32"].contains(input.dtype) { return "input \(input.dtype)" }
        if input.shape.first != 1 { return "a batch; a camera has one frame at a time" }
        let wanted = decode.inGraph ? ["landmarks", "scores"] : ["heatmaps"]
        let missing = wanted.filter { meaning in !outputs.contains { $0.meaning == meaning } }
        return missing.isEmpty ? nil : "no output for \(missing.joined(separator: ", "))"
    }

    /// There is one: `parse` has looked.
    public func output(_ meaning: String) -> Output { outputs.first { $0.meaning == meaning }! }
}
