plugins { id("com.android.application") }

android {
    namespace = "edgewing.sample"
    compileSdk = 36
    defaultConfig {
        applicationId = "edgewing.sample"
        minSdk = 24
        targetSdk = 36
        versionCode = 1
        versionName = "1"
    }
    buildTypes {
        release {
            isMinifyEnabled = true
            proguardFiles(getDefaultProguardFile("proguard-android-optimize.txt"))
            signingConfig = signingConfigs.getByName("debug") // your own key for a store
        }
    }
    androidResources { noCompress += "tflite" } // so that the model can be mapped
}

dependencies {
    implementation(project(":edgewing"))
    implementation("androidx.activity:activity:1.11.0")
    implementation("androidx.core:core:1.17.0")
}
