// swift-tools-version: 5.9
// EdgewingCore is Swift alone; Edgewing adds Apple's camera and CoreML.

import PackageDescription

let package = Package(
    name: "edgewing",
    platforms: [.iOS(.v16), .macOS(.v13)],
    products: [.library(name: "Edgewing", targets: ["Edgewing", "EdgewingCore"])],
    targets: [.target(name: "EdgewingCore"), .target(name: "Edgewing", dependencies: ["EdgewingCore"])]
)
