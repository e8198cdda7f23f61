package edgewing.android

import android.content.Context
import android.graphics.Bitmap
import com.google.ai.edge.litert.Accelerator
import edgewing.core.Agreeing
import edgewing.core.Contract
import edgewing.core.Detector
import edgewing.core.DetectorSettings
import edgewing.core.Expression
import edgewing.core.ExpressionReader
import edgewing.core.Finder
import edgewing.core.Json
import edgewing.core.Landmarker
import edgewing.core.Picture
import edgewing.core.Track
import edgewing.core.Tracker
import edgewing.core.TrackingSettings
import edgewing.core.Turns
import edgewing.core.at
import edgewing.core.number

/**
 * Frames in, tracks out, with the model among the app's assets: model.tflite, settings.json and, for faces,
 * detector.tflite and expression.json, as `edgewing app android` writes them. To be used by one thread, and closed by it.
 *
 * accelerator: GPU or NPU is taken where it starts, runs the whole model, and agrees with the CPU on the first face.
 */
class FaceTracker(context: Context, accelerator: Accelerator = Accelerator.CPU) : AutoCloseable {
    val contract = context.assets.open("model.tflite").use { Contract.read(it.readBytes()) }
    private val settings = context.assets.open("settings.json").use { Json.parse(it.reader().readText()) }
    private val tracking = TrackingSettings(settings.at("tracking"))
    private val names = contract.outputs.map { it.name }
    private val sure = Model.onCpu(context, "model.tflite", contract.inputName, names)
    private val fast = if (accelerator == Accelerator.CPU) null else runCatching {
        Model.compiled(context, "model.tflite", accelerator, contract.inputName, names)
    }.getOrNull()
    private val checked = fast?.let { Agreeing(contract, sure, it, tracking.leastNew) }
    private val faces = if (contract.isFace) Model.onCpu(context, "detector.tflite", "input", DETECTOR_OUTPUTS) else null
    private val turns = (settings as Map<*, *>)["turns"]?.let(::Turns)
    private val unsure = if (contract.isFace) settings.number("unsure") else 0.0
    private val tracker = Tracker(Landmarker(contract, checked ?: sure), finder(), tracking, turns, unsure)

    private val expressions by lazy {
        context.assets.open("expression.json").use { ExpressionReader(Json.parse(it.reader().readText())) }
    }

    /** What runs the model, for people. */
    val ranOn get() = if (checked?.agrees == true) fast!!.ranOn else sure.ranOn

    private fun finder(): Finder {
        val model = faces ?: return Finder.whole()
        return Finder.of(Detector(DetectorSettings(settings.at("detector"))) { input ->
            val found = model(input)
            found.getValue("regressors") to found.getValue("classificators")
        })
    }

    /** Tracks of a frame, oldest first; faces that are turned in it too. time: s, on any clock that does not go back. */
    fun step(frame: Bitmap, time: Double): List<Track> {
        val pixels = IntArray(frame.width * frame.height)
        frame.getPixels(pixels, 0, frame.width, 0, 0, frame.width, frame.height)
        return tracker.step(Picture(frame.width, frame.height, pixels), time)
    }

    /** Head pose, the 52 units of ARKit and gaze of a face, as far as the model's layout tells. */
    fun expression(track: Track): Expression =
        if (contract.isFace) expressions.read(track.landmarks, track.face.there, contract.layoutName, contract.maps)
        else Expression()

    override fun close() = listOfNotNull(faces, fast, sure).forEach { it.close() }

    private companion object {
        val DETECTOR_OUTPUTS = listOf("regressors", "classificators")
    }
}
