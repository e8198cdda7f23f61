import CoreImage
import EdgewingCore
import UIKit

/// The frame that was looked at, not a preview that has gone on, mirrored, with its points and the lines between them.
public final class OverlayView: UIView {
    /// Pairs of points, of the contract.
    public var edges = [[Int]]()
    private var seen: Seen?
    private let renderer = CIContext()

    public func show(_ seen: Seen) {
        self.seen = seen
        setNeedsDisplay()
    }

    override public func draw(_ rect: CGRect) {
        guard let seen, let context = UIGraphicsGetCurrentContext() else { return }
        let picture = CIImage(cvPixelBuffer: seen.frame)
        guard let frame = renderer.createCGImage(picture, from: picture.extent) else { return }
        let (width, height) = (CGFloat(frame.width), CGFloat(frame.height))
        let scale = min(bounds.width / width, bounds.height / height)
        context.translateBy(x: (bounds.width + scale * width) / 2, y: (bounds.height - scale * height) / 2)
        context.scaleBy(x: -scale, y: scale)
        UIImage(cgImage: frame).draw(in: CGRect(x: 0, y: 0, width: width, height: height))
        context.translateBy(x: 0.5, y: 0.5) // a context counts from the edge of the first pixel, points from its centre
        for track in seen.tracks { draw(track, context) }
    }

    private func draw(_ track: Track, _ context: CGContext) {
        let there = track.face.there
        let points = there.indices.map { n in
            CGPoint(x: CGFloat(track.landmarks[2 * n]), y: CGFloat(track.landmarks[2 * n + 1]))
        }
        let size = CGFloat(track.face.landmarkBox.size)
        context.setLineWidth(size / 150)
        context.setStrokeColor(UIColor.white.cgColor)
        for edge in edges where there[edge[0]] && there[edge[1]] {
            context.strokeLineSegments(between: [points[edge[0]], points[edge[1]]])
        }
        context.setFillColor(UIColor.green.cgColor)
        for (n, point) in points.enumerated() where there[n] {
            let spot = CGRect(origin: point, size: .zero).insetBy(dx: -size / 80, dy: -size / 80)
            context.fillEllipse(in: spot)
        }
    }
}
