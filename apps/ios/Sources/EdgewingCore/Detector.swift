import Foundation

/// Of settings.json. side: of the input, px. cells: stride in px, anchors in each cell. least: score. same: overlap of
/// two finds of one face. close: of the picture's longer side, from which a find is looked at from farther away. fit: its
/// box to the landmark box.
public struct DetectorSettings: Decodable {
    public struct Fit: Decodable { public let shift, scale: [Double] }
    public let side: Int, cells: [[Int]], least, same, close: Double, fit: Fit
}

/// box: of the landmarks, own: the detector's, image px. turn: of the face and of the box about its middle, radians.
public struct Detection {
    public let box: Box, score, turn: Double, own: Box

    public init(_ box: Box, _ score: Double, turn: Double = 0, own: Box? = nil) {
        (self.box, self.score, self.turn, self.own) = (box, score, turn, own ?? box)
    }
}

/// BlazeFace (arXiv 1907.05047) on the whole image fitted into a square, as edgewing/detection.py has it.
public final class Detector {
    /// (side, side, 3) in [-1, 1] to its raw boxes (A, 16) and scores (A), before the sigmoid.
    public typealias Network = ([Float]) throws -> (boxes: [Float], logits: [Float])

    public let settings: DetectorSettings
    private let network: Network
    /// Of the anchors, px of the input, in the order of the outputs: rows, columns, anchors of a cell.
    private let centres: [(Double, Double)]

    public init(_ settings: DetectorSettings, _ network: @escaping Network) {
        (self.settings, self.network) = (settings, network)
        centres = settings.cells.flatMap { cell in
            let ticks = (0..<settings.side / cell[0]).map { (Double($0) + 0.5) * Double(cell[0]) }
            return ticks.flatMap { y in ticks.flatMap { x in [(Double, Double)](repeating: (x, y), count: cell[1]) } }
        }
    }

    /// A find before it is one of a picture: px of the input, counted from its edge. right, down: from eye to eye.
    private struct Sure { let box: Box, score, right, down: Double }

    /// The landmark boxes of the picture's faces, largest first. What is large, or nothing, is looked at again from
    /// farther away.
    public func find(_ picture: Picture) throws -> [Detection] {
        var found = try look(picture, margin: 0)
        let largest = settings.close * Double(max(picture.width, picture.height))
        let small = found.filter { max($0.own.width, $0.own.height) <= largest }
        if found.isEmpty || small.count < found.count {
            let again = try look(picture, margin: settings.side / 4)
            let others = small.filter { one in again.allSatisfy { $0.own.overlap(one.own) < settings.same } }
            if !again.isEmpty { found = again + others }
        }
        return found.sorted { $0.box.area > $1.box.area }
    }

    /// One look, at the picture with a margin, px of the input, at its left and top.
    private func look(_ picture: Picture, margin: Int) throws -> [Detection] {
        let (rgb, scale) = fitIntoSquare(picture, settings.side, margin: margin)
        let (boxes, logits) = try network(rgb.map { Float($0) / 127.5 - 1 })
        return merge(sure(boxes, logits)).map { one in
            // from the edges of the scaled image to image px, where (0, 0) is the centre of the first pixel
            let sides = [one.box.x0, one.box.y0, one.box.x1, one.box.y1].map { ($0 - Double(margin)) * scale - 0.5 }
            let own = Detection(Box(sides[0], sides[1], sides[2], sides[3]), one.score)
            return turned(own, cropTurn(atan2(one.down, one.right)))
        }
    }

    /// The landmark box of a find, if its face is turned by so much.
    public func turned(_ found: Detection, _ turn: Double) -> Detection {
        Detection(fit(found.own, turn), found.score, turn: turn, own: found.own)
    }

    private func sure(_ raw: [Float], _ logits: [Float]) -> [Sure] {
        centres.indices.compactMap { i in
            let score = 1 / (1 + exp(-min(max(Double(logits[i]), -80), 80)))
            let (x, y) = (Double(raw[16 * i]) + centres[i].0, Double(raw[16 * i + 1]) + centres[i].1)
            let (w, h) = (Double(raw[16 * i + 2]) / 2, Double(raw[16 * i + 3]) / 2)
            let (right, down) = (raw[16 * i + 6] - raw[16 * i + 4], raw[16 * i + 7] - raw[16 * i + 5])
            let box = Box(x - w, y - h, x + w, y + h)
            return score < settings.least ? nil : Sure(box: box, score: score, right: Double(right), down: Double(down))
        }
    }

    /// One of each face, best first: the mean of those that overlap, weighted by score (section 4.2).
    private func merge(_ all: [Sure]) -> [Sure] {
        var (rest, found) = (all.sorted { $0.score > $1.score }, [Sure]())
        while let best = rest.first {
            // a box of no area overlaps nothing, itself included
            let isSame = rest.enumerated().map { $0 == 0 || best.box.overlap($1.box) >= settings.same }
            let group = zip(rest, isSame).filter(\.1).map(\.0)
            let total = group.reduce(0) { $0 + $1.score }
            func mean(_ part: KeyPath<Sure, Double>) -> Double {
                group.reduce(0) { $0 + $1.score * $1[keyPath: part] } / total
            }
            let box = Box(mean(\.box.x0), mean(\.box.y0), mean(\.box.x1), mean(\.box.y1))
            found.append(Sure(box: box, score: best.score, right: mean(\.right), down: mean(\.down)))
            rest = zip(rest, isSame).filter { !$0.1 }.map(\.0)
        }
        return found
    }

    private func fit(_ box: Box, _ turn: Double) -> Box {
        let (shift, scale) = (settings.fit.shift, settings.fit.scale)
        let moved = rotated([box.width * shift[0], box.height * shift[1]], turn)
        let (x, y) = (box.x + moved[0], box.y + moved[1])
        let (w, h) = (box.width * scale[0] / 2, box.height * scale[1] / 2)
        return Box(x - w, y - h, x + w, y + h)
    }
}
