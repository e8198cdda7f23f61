import CoreML
import EdgewingCore
import Foundation

/// Frames in, tracks out, with the model among the app's resources: Model.mlpackage, Detector.mlpackage (for faces) and
/// settings.json, as `edgewing app ios` writes them. To be used by one queue.
public final class FaceTracker {
    public let contract: Contract
    private let tracker: Tracker

    private struct Settings: Decodable {
        let tracking: TrackingSettings, detector: DetectorSettings?, turns: Turns?, unsure: Double?
    }

    public init(in bundle: Bundle) async throws {
        guard let file = bundle.url(forResource: "settings", withExtension: "json") else {
            throw Refusal("settings.json is not in the app; write the app again with: edgewing app ios")
        }
        let settings = try decoded(Settings.self, from: Data(contentsOf: file))
        let model = try await Model("Model", in: bundle)
        let contract = try model.contract()
        self.contract = contract
        let landmarker = Landmarker(contract) { input in
            switch input {
            case .bytes(let rgb): try model.run(contract.input.name, image(rgb, contract.crop.size))
            case .floats(let floats): try model.run(contract.input.name, array(floats, contract.input.shape))
            }
        }
        var finder = Finder.wholePicture
        if contract.layout.object == "face", let known = settings.detector {
            finder = Finder(try await FaceTracker.detector(known, in: bundle))
        }
        tracker = Tracker(landmarker, finder, settings.tracking, settings.turns, unsure: settings.unsure ?? 0)
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
}
