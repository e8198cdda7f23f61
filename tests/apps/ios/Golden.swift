// Reads the golden vectors and compares this core's answers; a line for each kind, with how many agreed.
//
//   Golden golden.json expression.json     exit code 1 where one differs

import EdgewingCore
import Foundation

let close = 1e-3 // px

struct Other: Error, CustomStringConvertible { let description: String }

func check(_ condition: Bool, _ words: @autoclosure () -> String) throws {
    if !condition { throw Other(description: words()) }
}

func near(_ what: String, _ ours: [Float], _ expected: [Float], most: Double = close) throws {
    try check(ours.count == expected.count, "\(what): \(ours.count) numbers, not \(expected.count)")
    let off = zip(ours, expected).map { abs(Double($0) - Double($1)) }
    try check(off.allSatisfy { $0 <= most }, "\(what): off by \(off.max()!)")
}

func near(_ what: String, _ ours: Double, _ expected: Double, most: Double = 1e-5) throws {
    try check(abs(ours - expected) <= most, "\(what): \(ours), not \(expected)")
}

func box(_ sides: [Double]) -> Box { Box(sides[0], sides[1], sides[2], sides[3]) }
func corners(_ box: Box) -> [Float] { [box.x0, box.y0, box.x1, box.y1].map(Float.init) }
func levels(_ bytes: [UInt8]) -> [Float] { bytes.map(Float.init) }

protocol Vector: Decodable { func test() throws }

/// What a picture is in JSON.
protocol Pictured { var picture: Data { get }; var width: Int { get }; var height: Int { get } }

extension Pictured {
    /// As a camera has it: BGRA, with rows that are longer than the picture.
    var asPicture: Picture {
        var bytes = [UInt8]()
        for row in 0..<height {
            for column in 0..<width {
                let at = 3 * (row * width + column)
                bytes += [picture[at + 2], picture[at + 1], picture[at], 255]
            }
            bytes += [UInt8](repeating: 77, count: 12)
        }
        return Picture(width: width, height: height, stride: 4 * width + 12, each: 4, red: 2, blue: 0, bytes: bytes)
    }
}

struct Text: Vector {
    let text, refused: String

    func test() throws {
        do {
            let contract = try Contract.parse(text)
            try check(refused.isEmpty && contract.model.name == "golden", "\(refused) was not refused")
        } catch let error as Refusal {
            try check(!refused.isEmpty && error.description.contains(refused), "\(refused): \(error)")
        }
    }
}

struct Crops: Vector {
    let part: CropPart, box: [Double], turn, side: Double, crop, image: [Float]

    func test() throws {
        let made = try Crop(around: main.box(box), part, turn: turn)
        try near("side", made.side, side)
        try near("map", made.toImage(crop), image)
    }
}

struct CropTurns: Vector {
    let found, before, turn: Double

    func test() throws { try near("turn", cropTurn(found, before: before), turn) }
}

struct TurnedBoxes: Vector {
    let landmarks, box: [Float], there: [Bool], turn: Double

    func test() throws { try near("box", corners(turnedBox(landmarks, turn, there)), box) }
}

struct FaceTurns: Vector {
    let turns: Turns, landmarks: [Float], turn: Double

    func test() throws {
        try near("turn", faceTurn(landmarks, turns) ?? .nan, turn)
        for nothing in [7, Float.nan] {
            let told = faceTurn([Float](repeating: nothing, count: landmarks.count), turns)
            try check(told == nil, "\(nothing) tells \(told!)")
        }
    }
}

struct Pixels: Vector, Pictured {
    let part: CropPart, box: [Double], turn: Double, picture, pixels: Data, width, height: Int

    func test() throws {
        let crop = try Crop(around: main.box(box), part, turn: turn)
        try check(sample(asPicture, crop) == [UInt8](pixels), "other bytes")
    }
}

struct Square: Vector, Pictured {
    let picture, pixels: Data, width, height, side, margin: Int, scale: Double

    func test() throws {
        let made = fitIntoSquare(asPicture, side, margin: margin)
        try near("square", levels(made.rgb), levels([UInt8](pixels)), most: 1)
        try near("scale", made.scale, scale)
    }
}

struct Inputs: Vector {
    let contract: Contract, pixels: Data, tensor: [Float]

    func test() throws {
        var numbers = [Float]()
        switch toInput([UInt8](pixels), contract) {
        case .bytes(let bytes): numbers = levels(bytes)
        case .floats(let floats): numbers = floats
        }
        try near("tensor", stride(from: 0, to: numbers.count, by: 7).map { numbers[$0] }, tensor, most: 2e-6)
    }
}

struct Decodes: Vector {
    let contract: Contract, maps, landmarks, scores: [Float]

    func test() throws {
        let found = try points(["maps": maps], contract)
        try near("landmarks", found.landmarks, landmarks)
        try near("scores", found.scores, scores)
    }
}

struct InGraph: Vector {
    let contract: Contract, landmarks, scores, crop, image: [Float], box: [Double]

    func test() throws {
        let found = try points(["landmarks": landmarks, "scores": scores], contract)
        try near("crop", found.landmarks, crop)
        try near("image", try Crop(around: main.box(box), contract.crop).toImage(found.landmarks), image)
    }
}

struct Detections: Vector, Pictured {
    struct Look: Decodable { let boxes, logits: [Float] }
    struct Found: Decodable { let box: [Float], score, turn: Double }
    let settings: DetectorSettings, looks: [Look], picture: Data, width, height: Int, found: [Found]

    func test() throws {
        var next = 0
        let ours = try Detector(settings) { _ in
            defer { next += 1 }
            return (looks[next].boxes, looks[next].logits)
        }.find(asPicture)
        try check(next == looks.count, "\(next) looks taken of \(looks.count)")
        try check(ours.count == found.count, "\(ours.count) found, not \(found.count)")
        for (one, other) in zip(ours, found) {
            try near("box", corners(one.box), other.box)
            try near("score", one.score, other.score)
            try near("turn", one.turn, other.turn)
        }
    }
}

struct Steady: Vector {
    struct Sample: Decodable { let points, steady: [Float], time, size: Double, there: [Bool] }
    let settings: FilterSettings, samples: [Sample]

    func test() throws {
        let filter = OneEuro(settings)
        for one in samples {
            try near("at \(one.time)", filter.step(one.points, one.time, one.size, one.there), one.steady)
        }
    }
}

struct Life: Vector {
    struct Answer: Decodable { let landmarks, scores: [Float] }
    struct Found: Decodable { let box: [Double], score, turn: Double }
    struct Expected: Decodable { let id: Int, landmarks, box: [Float], there: [Bool], confidence, age: Double }
    struct Frame: Decodable { let time: Double, found: [Found], asked: [Answer], searched: Bool, tracks: [Expected] }
    struct Settings: Decodable { let tracking: TrackingSettings, detector: DetectorSettings, turns: Turns?, unsure: Double }
    let contract: Contract, settings: Settings, width, height: Int, frames: [Frame]

    func test() throws {
        var (answers, found) = ([Answer](), [Detection]())
        let detector = Detector(settings.detector) { _ in throw Other(description: "it is asked by nobody") }
        let landmarker = Landmarker(contract) { _ in
            let answer = answers.removeFirst()
            return ["landmarks": answer.landmarks, "scores": answer.scores]
        }
        let finder = Finder(same: settings.detector.same, turned: detector.turned) { _ in
            found.map { detector.turned($0, $0.turn) }
        }
        let tracker = Tracker(landmarker, finder, settings.tracking, settings.turns, unsure: settings.unsure)
        let bytes = [UInt8](repeating: 90, count: 3 * width * height)
        let grey = Picture(width: width, height: height, stride: 3 * width, each: 3, red: 0, blue: 2, bytes: bytes)
        for frame in frames {
            (answers, found) = (frame.asked, frame.found.map { Detection(box($0.box), $0.score, turn: $0.turn) })
            let ours = try tracker.step(grey, frame.time)
            try check(answers.isEmpty && tracker.searched == frame.searched, "\(answers.count) crops were not asked for")
            try check(ours.map(\.id) == frame.tracks.map(\.id), "ids \(ours.map(\.id)) at \(frame.time)")
            for (track, other) in zip(ours, frame.tracks) {
                try near("track at \(frame.time)", track.landmarks, other.landmarks)
                try near("box at \(frame.time)", corners(track.face.box), other.box)
                try near("confidence", track.confidence, other.confidence)
                try near("age", track.age, other.age)
                try check(track.face.there == other.there, "there at \(frame.time)")
            }
        }
    }
}

struct Expressions: Vector {
    struct Layout: Decodable { let name: String, maps: [String: [Int]] }
    let layout: Layout, landmarks: [Float], there: [Bool], pose, units, gaze: [String: Double]?

    func test() throws {
        let ours = reader.read(landmarks, there, layout: layout.name, maps: layout.maps)
        try same("pose", ours.pose.map { ["yaw": $0.yaw, "pitch": $0.pitch, "roll": $0.roll] }, pose)
        try same("units", ours.units, units)
        try same("gaze", ours.gaze.map { ["left": $0.left, "up": $0.up] }, gaze)
    }

    func same(_ part: String, _ ours: [String: Double]?, _ expected: [String: Double]?) throws {
        try check(ours?.keys.sorted() == expected?.keys.sorted(), "\(part): \(ours ?? [:]), not \(expected ?? [:])")
        for (name, value) in ours ?? [:] { try near("\(part) \(name)", value, expected![name]!, most: close) }
    }
}

struct Golden: Decodable {
    let contracts: [Text]?, crops: [Crops]?, cropTurns: [CropTurns]?, turnedBoxes: [TurnedBoxes]?
    let faceTurns: [FaceTurns]?, pixels: [Pixels]?, squares: [Square]?, inputs: [Inputs]?
    let decodes: [Decodes]?, points: [InGraph]?, detections: [Detections]?, steady: [Steady]?, tracks: [Life]?
    let expressions: [Expressions]?

    var kinds: [(String, [Vector]?)] {
        [("contracts", contracts), ("crops", crops), ("crop_turns", cropTurns), ("turned_boxes", turnedBoxes),
         ("face_turns", faceTurns), ("pixels", pixels), ("squares", squares), ("inputs", inputs),
         ("decodes", decodes), ("points", points), ("detections", detections), ("steady", steady), ("tracks", tracks),
         ("expressions", expressions)]
    }
}

let reader = try ExpressionReader(Data(contentsOf: URL(fileURLWithPath: CommandLine.arguments[2])))
let golden = try decoded(Golden.self, from: Data(contentsOf: URL(fileURLWithPath: CommandLine.arguments[1])))
for (kind, vectors) in golden.kinds {
    for (n, one) in (vectors ?? []).enumerated() {
        do { try one.test() } catch {
            print("\(kind) \(n): \(error)")
            exit(1)
        }
    }
    if let vectors { print(kind, vectors.count) }
}
