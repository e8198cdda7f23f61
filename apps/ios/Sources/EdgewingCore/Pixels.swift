import Foundation

// Resampling, byte for byte as OpenCV does it, so that a phone's landmarks are the desktop's.

/// bytes: rows of `stride` bytes, a pixel of `each`; red, blue: where they are in a pixel, green is at 1. So a camera's
/// BGRA has each 4, red 2, blue 0.
public struct Picture {
    public let width, height, stride, each, red, blue: Int
    public let bytes: [UInt8]

    public init(width: Int, height: Int, stride: Int, each: Int, red: Int, blue: Int, bytes: [UInt8]) {
        (self.width, self.height, self.stride, self.each) = (width, height, stride, each)
        (self.red, self.blue, self.bytes) = (red, blue, bytes)
    }
}

/// The pixels of a crop: (size, size, 3) RGB, bilinear, black outside, no smoothing.
///
/// cv2.warpAffine with INTER_LINEAR | WARP_INVERSE_MAP: positions are rounded to 1/1024 px, then to 1/32 (imgwarp.cpp).
public func sample(_ picture: Picture, _ crop: Crop) -> [UInt8] {
    let (size, map) = (crop.size, crop.map)
    func fixed(_ value: Double) -> Int { Int((value * 1024).rounded(.toNearestOrEven)) }
    let across = (0..<size).map { fixed(map[0] * Double($0)) }
    let down = (0..<size).map { fixed(map[3] * Double($0)) }
    var rgb = [UInt8](repeating: 0, count: size * size * 3)
    picture.bytes.withUnsafeBufferPointer { bytes in
        var out = 0
        for i in 0..<size {
            let left = fixed(map[1] * Double(i) + map[2]) + 16
            let top = fixed(map[4] * Double(i) + map[5]) + 16
            for j in 0..<size {
                bilinear(picture, bytes, (left + across[j]) >> 5, (top + down[j]) >> 5, &rgb, out)
                out += 3
            }
        }
    }
    return rgb
}

/// x, y in 1/32 px.
@inline(__always)
private func bilinear(
    _ picture: Picture, _ bytes: UnsafeBufferPointer<UInt8>, _ x: Int, _ y: Int, _ into: inout [UInt8], _ out: Int
) {
    var (red, green, blue) = (512, 512, 512)
    for dy in 0...1 {
        for dx in 0...1 {
            let (column, row) = ((x >> 5) + dx, (y >> 5) + dy)
            guard column >= 0, column < picture.width, row >= 0, row < picture.height else { continue }
            let pixel = row * picture.stride + column * picture.each
            let weight = (dx == 1 ? x & 31 : 32 - (x & 31)) * (dy == 1 ? y & 31 : 32 - (y & 31))
            red += weight * Int(bytes[pixel + picture.red])
            green += weight * Int(bytes[pixel + 1])
            blue += weight * Int(bytes[pixel + picture.blue])
        }
    }
    (into[out], into[out + 1], into[out + 2]) = (UInt8(red >> 10), UInt8(green >> 10), UInt8(blue >> 10))
}

/// The image in a black square, a margin from its top and left and as much from where it ends on its longer side: (side,
/// side, 3), and how many image px one px of it is.
///
/// cv2.resize with INTER_AREA where the image shrinks (but for values that lie between two levels), INTER_LINEAR where
/// it grows (to one level).
public func fitIntoSquare(_ picture: Picture, _ side: Int, margin: Int = 0) -> (rgb: [UInt8], scale: Double) {
    let scale = Double(max(picture.width, picture.height)) / Double(side - 2 * margin)
    func fitted(_ n: Int) -> Int { max(1, Int((Double(n) / scale).rounded(.toNearestOrEven))) }
    let (width, height) = (fitted(picture.width), fitted(picture.height))
    let weigh = scale > 1 ? areaWeights : linearWeights
    let across = weigh(picture.width, width)
    let half = picture.width == 2 * width && picture.height == 2 * height // OpenCV halves in whole numbers
    var rgb = [UInt8](repeating: 0, count: side * side * 3)
    var (narrow, known) = ([Float](), -1)
    for (i, rows) in weigh(picture.height, height).enumerated() {
        var sums = [Float](repeating: 0, count: width * 3)
        for (row, weight) in rows {
            if row != known { narrow = narrowRow(picture, row, across) }
            known = row
            for j in sums.indices { sums[j] += weight * narrow[j] }
        }
        let out = ((i + margin) * side + margin) * 3
        for j in sums.indices {
            rgb[out + j] = UInt8(half ? sums[j] + 0.5 : sums[j].rounded(.toNearestOrEven))
        }
    }
    return (rgb, scale)
}

/// Which pixels make an output pixel, and with which weights.
private typealias Shares = [(index: Int, weight: Float)]

private func narrowRow(_ picture: Picture, _ row: Int, _ across: [Shares]) -> [Float] {
    let channels = [picture.red, 1, picture.blue]
    return across.flatMap { shares in
        channels.map { channel in
            shares.reduce(Float(0)) { sum, share in
                sum + share.weight * Float(picture.bytes[row * picture.stride + share.index * picture.each + channel])
            }
        }
    }
}

/// Shares of the input pixels that an output pixel covers; slivers under 1/1000 px are left out, as OpenCV does.
private func areaWeights(_ from: Int, _ to: Int) -> [Shares] {
    let scale = Double(from) / Double(to)
    return (0..<to).map { i in
        let (low, high) = (Double(i) * scale, Double(i + 1) * scale)
        let cell = min(scale, Double(from) - low)
        let end = min(Int(high), from - 1)
        let begin = min(Int(low.rounded(.up)), end)
        var shares = Shares()
        if Double(begin) - low > 1e-3 { shares.append((begin - 1, Float((Double(begin) - low) / cell))) }
        for k in begin..<max(begin, end) { shares.append((k, Float(1 / cell))) }
        if high - Double(end) > 1e-3 { shares.append((end, Float(min(high - Double(end), 1, cell) / cell))) }
        return shares
    }
}

/// The two neighbours of an output pixel's centre, the last pixel repeated beyond the edge.
private func linearWeights(_ from: Int, _ to: Int) -> [Shares] {
    (0..<to).map { i in
        let at = min(max((Double(i) + 0.5) * Double(from) / Double(to) - 0.5, 0), Double(from - 1))
        let low = min(Int(at), max(0, from - 2))
        let rest = Float(at - Double(low))
        return from > 1 ? [(low, 1 - rest), (low + 1, rest)] : [(low, 1 - rest)]
    }
}
