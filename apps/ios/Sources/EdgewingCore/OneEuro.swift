import Foundation

/// Of settings.json, as edgewing.camera.tracking.Filter has it. Cutoffs in Hz, longestGap in s.
public struct FilterSettings: Decodable {
    public let leastCutoff, speedCutoff, ownShare, derivativeCutoff, longestGap: Double
}

/// The One-Euro filter (Casiez, Roussel, Vogel, CHI 2012) on all points of a face at once, as edgewing/camera/tracking.py has
/// it: the speed is that of the whole face, plus a share of each point's own, in face sizes per second.
public final class OneEuro {
    private let settings: FilterSettings
    private var points: [Double]?
    private var velocity = [Double]()
    private var time = 0.0

    public init(_ settings: FilterSettings) { self.settings = settings }

    /// Landmarks at a time in s, of a face of that size in px, to steady ones. A time that does not advance changes
    /// nothing. there: the points that say how fast the whole is.
    public func step(_ raw: [Float], _ now: Double, _ size: Double, _ there: [Bool]) -> [Float] {
        let gap = now - time
        if let kept = points, gap <= settings.longestGap {
            if gap > 0 {
                points = moved(kept, raw.map(Double.init), gap, size, there)
                time = now
            }
        } else {
            (points, velocity, time) = (raw.map(Double.init), raw.map { _ in 0 }, now)
        }
        return points!.map(Float.init)
    }

    private func moved(_ kept: [Double], _ raw: [Double], _ gap: Double, _ size: Double, _ there: [Bool]) -> [Double] {
        let share = smoothing(settings.derivativeCutoff, gap)
        for i in raw.indices { velocity[i] += share * ((raw[i] - kept[i]) / gap - velocity[i]) }
        let counted = there.indices.filter { there[$0] }
        func mean(_ axis: Int) -> Double { counted.reduce(0) { $0 + velocity[2 * $1 + axis] } / Double(counted.count) }
        let (wholeX, wholeY) = (mean(0), mean(1))
        return raw.indices.map { i in
            let own = hypot(velocity[i & ~1] - wholeX, velocity[i | 1] - wholeY)
            let speed = (hypot(wholeX, wholeY) + settings.ownShare * own) / size
            return kept[i] + smoothing(settings.leastCutoff + settings.speedCutoff * speed, gap) * (raw[i] - kept[i])
        }
    }

    /// The factor alpha of an exponential low-pass, from its cutoff in Hz and the time since the last sample in s.
    private func smoothing(_ cutoff: Double, _ gap: Double) -> Double { 1 / (1 + 1 / (2 * .pi * cutoff * gap)) }
}
