plugins { id("com.android.library") }

android {
    namespace = "edgewing.android"
    compileSdk = 36
    defaultConfig {
        minSdk = 24 // LiteRT's
        consumerProguardFiles("consumer-rules.pro")
    }
}

dependencies {
    api("com.google.ai.edge.litert:litert:2.3.0")
    implementation("com.google.ai.edge.litert:litert-gpu:2.3.0") // leave it out where the CPU is enough
    implementation("androidx.camera:camera-camera2:1.6.1")
    implementation("androidx.camera:camera-lifecycle:1.6.1")
    api("androidx.camera:camera-core:1.6.1")
    implementation("androidx.core:core:1.17.0")
}
