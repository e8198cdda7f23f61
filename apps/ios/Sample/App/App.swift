import Edgewing
import EdgewingCore
import SwiftUI
import UIKit

@main
struct Sample: App {
    var body: some Scene { WindowGroup { Screen().ignoresSafeArea() } }
}

struct Screen: UIViewControllerRepresentable {
    func makeUIViewController(context: Context) -> CameraController { CameraController() }
    func updateUIViewController(_: CameraController, context: Context) {}
}

/// Asks for the camera, follows the faces in it, and says how long a frame takes
/// and how the first head is turned.
final class CameraController: UIViewController {
    private let overlay = OverlayView(), words = UILabel()
    private var camera: FaceCamera?, tracker: FaceTracker?

    override func viewDidLoad() {
        super.viewDidLoad()
        for one in [overlay, words] as [UIView] { view.addSubview(one) }
        words.textColor = .white
        words.numberOfLines = 0
        UIApplication.shared.isIdleTimerDisabled = true
        Task { await start() }
    }

    override func viewDidLayoutSubviews() {
        super.viewDidLayoutSubviews()
        overlay.frame = view.bounds
        words.frame = view.bounds.inset(by: view.safeAreaInsets)
    }

    private func start() async {
        do {
            guard let resources = Bundle.module.url(forResource: "Resources", withExtension: nil),
                  let bundle = Bundle(url: resources) else { throw Refusal("the app has no resources") }
            let tracker = try await FaceTracker(in: bundle)
            overlay.edges = tracker.contract.layout.edges
            let camera = FaceCamera(tracker) { [weak self] in self?.show($0) } failed: { [weak self] in self?.tell($0) }
            (self.camera, self.tracker) = (camera, tracker)
            try await camera.start()
        } catch { tell(error) }
    }

    private func show(_ seen: Seen) {
        overlay.show(seen)
        let pose = seen.tracks.first.flatMap { tracker?.expression($0).pose }
        let turned = pose.map { String(format: ", yaw %.0f, pitch %.0f, roll %.0f", $0.yaw, $0.pitch, $0.roll) }
        words.text = String(format: "%d found, %.1f ms", seen.tracks.count, seen.milliseconds) + (turned ?? "")
    }

    private func tell(_ error: Error) { words.text = "edgewing: \(error)" }
}
