package edgewing.android

import android.content.Context
import android.graphics.Bitmap
import androidx.camera.core.CameraSelector
import androidx.camera.core.ImageAnalysis
import androidx.camera.core.ImageProxy
import androidx.camera.lifecycle.ProcessCameraProvider
import androidx.core.content.ContextCompat
import androidx.lifecycle.LifecycleOwner
import edgewing.core.Track
import java.util.concurrent.Executors

/** What was seen in a frame. mirrored: whether it is to be shown as in a mirror. milliseconds: from pixels to points. */
class Seen(val frame: Bitmap, val tracks: List<Track>, val mirrored: Boolean, val ranOn: String, val milliseconds: Double)

/**
 * The newest frame of a camera, followed: frames that come while one is worked on are dropped, so nothing trails.
 *
 * The app has asked for the permission CAMERA before. show and failed are called on the main thread.
 */
class FaceCamera(
    private val context: Context,
    private val open: (Context) -> FaceTracker,
    private val show: (Seen) -> Unit,
    private val failed: (Exception) -> Unit,
) : AutoCloseable {
    private val worker = Executors.newSingleThreadExecutor()
    private val main = ContextCompat.getMainExecutor(context)
    private var tracker: FaceTracker? = null
    private var broken = false

    fun start(owner: LifecycleOwner, camera: CameraSelector = CameraSelector.DEFAULT_FRONT_CAMERA) {
        val analysis = ImageAnalysis.Builder()
            .setBackpressureStrategy(ImageAnalysis.STRATEGY_KEEP_ONLY_LATEST)
            .setOutputImageFormat(ImageAnalysis.OUTPUT_IMAGE_FORMAT_RGBA_8888)
            .setOutputImageRotationEnabled(true)
            .build()
        val mirrored = camera == CameraSelector.DEFAULT_FRONT_CAMERA
        analysis.setAnalyzer(worker) { image -> guarded { look(image, mirrored) } }
        val provider = ProcessCameraProvider.getInstance(context)
        provider.addListener({ guarded { provider.get().bindToLifecycle(owner, camera, analysis) } }, main)
    }

    private fun look(image: ImageProxy, mirrored: Boolean) {
        val (frame, time) = image.use { it.toBitmap() to it.imageInfo.timestamp / 1e9 }
        if (broken) return
        val known = tracker ?: open(context).also { tracker = it }
        val begun = System.nanoTime()
        val tracks = known.step(frame, time)
        val seen = Seen(frame, tracks, mirrored, known.ranOn, (System.nanoTime() - begun) / 1e6)
        main.execute { show(seen) }
    }

    /** The first error is told, once; no frame is worked on after it. */
    private fun guarded(work: () -> Unit) = try {
        work()
    } catch (error: Exception) {
        if (!broken) main.execute { failed(error) }
        broken = true
    }

    /** Ends the work; the camera itself ends with the owner that it was started for. */
    override fun close() {
        if (worker.isShutdown) return
        worker.execute { tracker?.close() }
        worker.shutdown()
    }
}
