import CoreML
import EdgewingCore
import Foundation

/// Frames in, tracks out, with the model among the app's resources: Model.mlpackage, settings.json and, for faces,
/// Detector.mlpackage and expression.json, as `edgewing app ios` writes them. To be used by one queue.
public final class FaceTracker {
    public let contract: Contract
    private let tracker: Tracker, expressions: ExpressionReader?

    private struct Settings: Decodable {
        let tracking: TrackingSettings, detector: DetectorSettings?, turns: Turns?, unsure: Double?
    }

    public init(in bundle: Bundle) async throws {
        let settings = try decoded(Settings.self, from: FaceTracker.json("settings", in: bundle))
        let model = try await Model("Model", in: bundle)
        let contract = try model.contract()
        self.contract = contract
        let landmarker = Landmarker(contract) { input in
            switch input {
            case .bytes(let rgb): try model.run(contract.input.name, image(rgb, contract.crop.size))
            case .floats(let floats): try model.run(contract.input.name, array(floats, contract.input.shape))
            }
        }
        let isFace = contract.layout.object == "face"
        expressions = isFace ? try ExpressionReader(FaceTracker.json("expression", in: bundle)) : nil
        var finder = Finder.wholePicture
        if isFace, let known = settings.detector {
            finder = Finder(try await FaceTracker.detector(known, in: bundle))
        }
        tracker = Tracker(landmarker, finder, settings.tracking, settings.turns, unsure: settings.unsure ?? 0)
    }

    private static func json(_ name: String, in bundle: Bundle) throws -> Data {
        guard let file = bundle.url(forResource: name, withExtension: "json") else {
            throw Refusal("\(name).json is not in the app; write the app again with: edgewing app ios")
        }
        return try Data(contentsOf: file)
    }

    private static func detector(_ settings: DetectorSettings, in bundle: Bundle) async throws -> Detector {
        let model = try await Model("Detector", in: bundle)
        return Detector(settings) { input in
            let found = try model.run("input", array(input, [1, settings.side, settings.side, 3]))
            guard let boxes = found["regressors"], let logits = found["classificators"] else {
                throw Refusal("Detector.mlpackage is another model; write the app again with: edgewing app ios")
            }
            return (boxes, logits)
        }
    }

    /// Tracks of a frame, oldest first; faces that are turned in it too. time: s, on any clock that does not go back.
    public func step(_ frame: Picture, _ time: Double) throws -> [Track] { try tracker.step(frame, time) }

    /// Head pose, the 52 units of ARKit and gaze of a face, as far as the model's layout tells.
    public func expression(_ track: Track) -> FaceExpression {
        let layout = contract.layout
        let found = expressions?.read(track.landmarks, track.face.there, layout: layout.name, maps: layout.maps)
        return found ?? FaceExpression()
    }
}
