plugins { // version 9 compiles Kotlin itself
    id("com.android.application") version "9.2.1" apply false
    id("com.android.library") version "9.2.1" apply false
}
