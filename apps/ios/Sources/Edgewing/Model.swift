import CoreImage
import CoreML
import CoreVideo
import EdgewingCore
import Foundation

/// A CoreML package among the app's resources, ready to run.
public final class Model {
    public let model: MLModel

    /// name: without its ending. What Xcode did not compile is compiled here, at the first start, and kept.
    public init(_ name: String, in bundle: Bundle, units: MLComputeUnits = .all) async throws {
        let configuration = MLModelConfiguration()
        configuration.computeUnits = units
        if let compiled = bundle.url(forResource: name, withExtension: "mlmodelc") {
            model = try MLModel(contentsOf: compiled, configuration: configuration)
        } else if let package = bundle.url(forResource: name, withExtension: "mlpackage") {
            model = try MLModel(contentsOf: try await compiled(package), configuration: configuration)
        } else {
            throw Refusal("\(name).mlpackage is not in the app; write the app again with: edgewing app ios")
        }
    }

    public func contract() throws -> Contract {
        let own = model.modelDescription.metadata[.creatorDefinedKey] as? [String: String]
        guard let text = own?["edgewing.contract"] else {
            throw Refusal("the model has no contract inside; export it with: python -m targets RUN --to coreml")
        }
        return try Contract.parse(text)
    }

    /// Its one input to its outputs by name.
    public func run(_ input: String, _ value: MLFeatureValue) throws -> [String: [Float]] {
        let outputs = try model.prediction(from: MLDictionaryFeatureProvider(dictionary: [input: value]))
        var found = [String: [Float]]()
        for name in outputs.featureNames {
            guard let array = outputs.featureValue(for: name)?.multiArrayValue else { continue }
            found[name] = MLShapedArray<Float>(converting: array).scalars // of whatever type and strides
        }
        return found
    }
}

/// The package compiled, out of the caches where it is of this very model.
private func compiled(_ package: URL) async throws -> URL {
    let files = FileManager.default
    let caches = try files.url(for: .cachesDirectory, in: .userDomainMask, appropriateFor: nil, create: true)
    let place = caches.appendingPathComponent("edgewing-\(package.lastPathComponent)")
    let (kept, mark) = (place.appendingPathComponent("it.mlmodelc"), place.appendingPathComponent("made-of"))
    let model = try Data(contentsOf: package.appendingPathComponent("Data/com.apple.CoreML/model.mlmodel"))
    if files.fileExists(atPath: kept.path), (try? Data(contentsOf: mark)) == model { return kept }
    let made = try await MLModel.compileModel(at: package)
    try? files.removeItem(at: place)
    try files.createDirectory(at: place, withIntermediateDirectories: true)
    try files.moveItem(at: made, to: kept)
    try model.write(to: mark) // last: it says that the rest is whole
    return kept
}

/// (side, side, 3) RGB as the image that CoreML takes.
func image(_ rgb: [UInt8], _ side: Int) throws -> MLFeatureValue {
    var made: CVPixelBuffer?
    CVPixelBufferCreate(nil, side, side, kCVPixelFormatType_32BGRA, nil, &made)
    guard let buffer = made else { throw Refusal("no memory for a picture of \(side) px") }
    CVPixelBufferLockBaseAddress(buffer, [])
    defer { CVPixelBufferUnlockBaseAddress(buffer, []) }
    let (bytes, stride) = (CVPixelBufferGetBaseAddress(buffer)!, CVPixelBufferGetBytesPerRow(buffer))
    for pixel in 0..<side * side {
        let place = bytes + pixel / side * stride + pixel % side * 4
        for (offset, channel) in [2, 1, 0].enumerated() {
            place.storeBytes(of: rgb[3 * pixel + channel], toByteOffset: offset, as: UInt8.self)
        }
        place.storeBytes(of: 255, toByteOffset: 3, as: UInt8.self)
    }
    return MLFeatureValue(pixelBuffer: buffer)
}

/// Numbers as an array that CoreML takes.
func array(_ floats: [Float], _ shape: [Int]) throws -> MLFeatureValue {
    MLFeatureValue(multiArray: MLMultiArray(MLShapedArray(scalars: floats, shape: shape)))
}

public extension Picture {
    /// A photograph as it is stored: a UIImage's `cgImage`. How it is to be turned (`imageOrientation`) is not followed.
    init(_ photograph: CGImage) {
        let (width, height) = (photograph.width, photograph.height)
        var bytes = [UInt8](repeating: 0, count: 4 * width * height)
        bytes.withUnsafeMutableBytes { place in
            let context = CGContext(
                data: place.baseAddress, width: width, height: height, bitsPerComponent: 8, bytesPerRow: 4 * width,
                space: CGColorSpaceCreateDeviceRGB(), bitmapInfo: CGImageAlphaInfo.noneSkipLast.rawValue)
            context?.draw(photograph, in: CGRect(x: 0, y: 0, width: width, height: height))
        }
        self.init(width: width, height: height, stride: 4 * width, each: 4, red: 0, blue: 2, bytes: bytes)
    }

    /// A frame of the camera, BGRA.
    init(_ frame: CVPixelBuffer) {
        CVPixelBufferLockBaseAddress(frame, .readOnly)
        defer { CVPixelBufferUnlockBaseAddress(frame, .readOnly) }
        let (width, height) = (CVPixelBufferGetWidth(frame), CVPixelBufferGetHeight(frame))
        let stride = CVPixelBufferGetBytesPerRow(frame)
        let bytes = UnsafeRawBufferPointer(start: CVPixelBufferGetBaseAddress(frame), count: stride * height)
        self.init(width: width, height: height, stride: stride, each: 4, red: 2, blue: 0, bytes: [UInt8](bytes))
    }
}
