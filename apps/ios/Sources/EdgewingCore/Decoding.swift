import Foundation

/// landmarks: crop px. scores: in [0, 1].
public struct Points { public let landmarks, scores: [Float] }

/// What a model's outputs, by name, say in crop px.
public func points(_ outputs: [String: [Float]], _ contract: Contract) throws -> Points {
    func named(_ meaning: String) throws -> [Float] {
        let name = contract.output(meaning).name
        guard let values = outputs[name] else { throw Refusal("the model has no output \(name); export it again") }
        return values
    }
    guard contract.decode.inGraph else { return decode(try named("heatmaps"), contract) }
    let raw = try named("landmarks")
    let inCells = contract.output("landmarks").frame == "cell"
    return Points(landmarks: inCells ? cropPixels(raw, contract.decode.stride) : raw, scores: try named("scores"))
}

private func cropPixels(_ cells: [Float], _ stride: Double) -> [Float] {
    cells.map { Float(Double($0) * stride + (stride - 1) / 2) }
}

/// Heatmaps to points, as edgewing/decoding.py has it; for models whose graph does not decode.
private func decode(_ heatmaps: [Float], _ contract: Contract) -> Points {
    let (height, width) = (contract.output("heatmaps").shape[2], contract.output("heatmaps").shape[3])
    var (cells, scores) = ([Float](), [Float]())
    for n in 0..<contract.layout.points {
        let map = Array(heatmaps[n * height * width..<(n + 1) * height * width])
        let quartered = contract.decode.method == "quarter"
        let (x, y) = quartered ? quarter(map, width) : centroid(map, width, contract.decode)
        cells += [Float(x), Float(y)]
        scores.append(min(max(map.max()!, 0), 1))
    }
    return Points(landmarks: cropPixels(cells, contract.decode.stride), scores: scores)
}

private let least = 1e-3

/// The centroid of relu(h / max - threshold)^power; the middle of a map without a peak.
private func centroid(_ map: [Float], _ width: Int, _ how: Contract.Decode) -> (Double, Double) {
    let peak = max(Double(map.max()!), least)
    let (middleX, middleY) = (Double(width - 1) / 2, Double(map.count / width - 1) / 2)
    var (total, x, y) = (0.0, 0.0, 0.0)
    for (i, value) in map.enumerated() {
        let weight = pow(max(Double(value) / peak - how.threshold, 0), Double(how.power))
        total += weight
        x += weight * (Double(i % width) - middleX)
        y += weight * (Double(i / width) - middleY)
    }
    total = max(total, least)
    return (x / total + middleX, y / total + middleY)
}

/// The largest cell, moved a quarter towards the higher neighbour in each axis; not on the map's border.
private func quarter(_ map: [Float], _ width: Int) -> (Double, Double) {
    let index = map.firstIndex(of: map.max()!)!
    let (row, column) = (index / width, index % width)
    let inside = row > 0 && row < map.count / width - 1 && column > 0 && column < width - 1
    func step(_ by: Int) -> Double {
        guard inside, map[index + by] != map[index - by] else { return 0 }
        return map[index + by] > map[index - by] ? 0.25 : -0.25
    }
    return (Double(column) + step(1), Double(row) + step(width))
}
