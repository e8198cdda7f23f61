// swift-tools-version: 5.9
// An app for Xcode 15 or newer: `edgewing app ios DIR` lays the sources, the model and this together.

import AppleProductTypes
import PackageDescription

let package = Package(
    name: "edgewing",
    platforms: [.iOS("16.0")],
    products: [
        .iOSApplication(
            name: "edgewing",
            targets: ["App"],
            bundleIdentifier: "edgewing.sample",
            displayVersion: "1",
            bundleVersion: "1",
            supportedDeviceFamilies: [.phone, .pad],
            supportedInterfaceOrientations: [.portrait],
            capabilities: [.camera(purposeString: "Faces are followed on this device; no picture leaves it.")]
        )
    ],
    targets: [
        .target(name: "EdgewingCore"),
        .target(name: "Edgewing", dependencies: ["EdgewingCore"]),
        .executableTarget(name: "App", dependencies: ["Edgewing"], path: "App", resources: [.copy("Resources")]),
    ]
)
