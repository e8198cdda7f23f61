import AVFoundation
import CoreVideo
import EdgewingCore
import Foundation

/// What was seen in a frame. milliseconds: from pixels to points.
public struct Seen { public let frame: CVPixelBuffer, tracks: [Track], milliseconds: Double }

/// The newest frame of the front camera, upright, followed: frames that come while one is worked on are dropped, so
/// nothing trails. `seen` and `failed` are called on the main queue.
public final class FaceCamera: NSObject, AVCaptureVideoDataOutputSampleBufferDelegate {
    private let tracker: FaceTracker, seen: (Seen) -> Void, failed: (Error) -> Void
    private let session = AVCaptureSession()
    private let queue = DispatchQueue(label: "edgewing.frames")
    private var watch: NSObjectProtocol?

    public init(_ tracker: FaceTracker, seen: @escaping (Seen) -> Void, failed: @escaping (Error) -> Void) {
        (self.tracker, self.seen, self.failed) = (tracker, seen, failed)
        super.init()
        watch = NotificationCenter.default.addObserver(
            forName: .AVCaptureSessionRuntimeError, object: session, queue: .main
        ) { told in failed(told.userInfo?[AVCaptureSessionErrorKey] as? Error ?? Refusal("the camera gives no frames")) }
    }

    deinit { watch.map(NotificationCenter.default.removeObserver) }

    /// Asks for the camera, where that has not been done, and starts it; after `stop` once more.
    public func start() async throws {
        guard await AVCaptureDevice.requestAccess(for: .video) else {
            throw Refusal("Without the camera there is nothing to see: allow it in Settings.")
        }
        guard let camera = AVCaptureDevice.default(.builtInWideAngleCamera, for: .video, position: .front) else {
            throw Refusal("there is no front camera")
        }
        if session.inputs.isEmpty { try connect(camera) }
        queue.async { self.session.startRunning() }
    }

    private func connect(_ camera: AVCaptureDevice) throws {
        let input = try AVCaptureDeviceInput(device: camera)
        let output = AVCaptureVideoDataOutput()
        output.alwaysDiscardsLateVideoFrames = true
        output.videoSettings = [kCVPixelBufferPixelFormatTypeKey as String: kCVPixelFormatType_32BGRA]
        output.setSampleBufferDelegate(self, queue: queue)
        session.beginConfiguration()
        defer { session.commitConfiguration() }
        session.sessionPreset = .vga640x480
        guard session.canAddInput(input), session.canAddOutput(output) else { // adding it would end the app
            throw Refusal("the front camera cannot be used now")
        }
        session.addInput(input)
        session.addOutput(output)
        output.connection(with: .video)?.videoOrientation = .portrait // mirror what is drawn, not the frame
    }

    public func stop() { queue.async { self.session.stopRunning() } }

    public func captureOutput(_: AVCaptureOutput, didOutput sample: CMSampleBuffer, from _: AVCaptureConnection) {
        guard session.isRunning, let frame = CMSampleBufferGetImageBuffer(sample) else { return }
        let begun = Date()
        do {
            let time = CMTimeGetSeconds(CMSampleBufferGetPresentationTimeStamp(sample))
            let tracks = try tracker.step(Picture(frame), time)
            let made = Seen(frame: frame, tracks: tracks, milliseconds: Date().timeIntervalSince(begun) * 1000)
            DispatchQueue.main.async { self.seen(made) }
        } catch {
            session.stopRunning()
            DispatchQueue.main.async { self.failed(error) }
        }
    }
}
