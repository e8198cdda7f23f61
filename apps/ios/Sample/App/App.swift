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

/// Asks for the camera, follows the faces in it, and says how long a frame takes.
final class CameraController: UIViewController {
    private let overlay = OverlayView(), words = UILabel()
    private var camera: FaceCamera?

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
            self.camera = camera
            try await camera.start()
        } catch { tell(error) }
    }

    private func show(_ seen: Seen) {
        overlay.show(seen)
        words.text = String(format: "%d found, %.1f ms", seen.tracks.count, seen.milliseconds)
    }

    private func tell(_ error: Error) { words.text = "edgewing: \(error)" }
}
