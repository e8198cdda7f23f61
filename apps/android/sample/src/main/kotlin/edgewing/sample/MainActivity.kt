package edgewing.sample

import android.Manifest
import android.content.Context
import android.content.pm.PackageManager
import android.os.Bundle
import android.view.WindowManager
import android.widget.FrameLayout
import android.widget.TextView
import androidx.activity.ComponentActivity
import androidx.activity.result.contract.ActivityResultContracts
import androidx.core.content.ContextCompat
import com.google.ai.edge.litert.Accelerator
import edgewing.android.FaceCamera
import edgewing.android.FaceTracker
import edgewing.android.OverlayView
import edgewing.android.Seen

/** Asks for the camera, follows the faces in it, and says what runs, how long a frame takes and how the first head is
 * turned. */
class MainActivity : ComponentActivity() {
    private lateinit var overlay: OverlayView
    private lateinit var words: TextView
    private var camera: FaceCamera? = null
    private var tracker: FaceTracker? = null
    private val asked = registerForActivityResult(ActivityResultContracts.RequestPermission()) { granted ->
        if (granted) start() else words.text = "Without the camera there is nothing to see: allow it in the app's settings."
    }

    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        window.addFlags(WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON)
        overlay = OverlayView(this)
        words = TextView(this)
        setContentView(FrameLayout(this).apply {
            fitsSystemWindows = true
            addView(overlay)
            addView(words)
        })
        val known = ContextCompat.checkSelfPermission(this, Manifest.permission.CAMERA)
        if (known == PackageManager.PERMISSION_GRANTED) start() else asked.launch(Manifest.permission.CAMERA)
    }

    private fun start() {
        val open = { context: Context ->
            FaceTracker(context, Accelerator.GPU).also {
                runOnUiThread {
                    overlay.edges = it.contract.edges
                    tracker = it
                }
            }
        }
        camera = FaceCamera(this, open, ::show) { words.text = "edgewing: ${it.message}" }.also { it.start(this) }
    }

    private fun show(seen: Seen) {
        overlay.show(seen)
        val pose = seen.tracks.firstOrNull()?.let { tracker?.expression(it)?.pose }
        val turned = pose?.run { ", yaw %.0f, pitch %.0f, roll %.0f".format(yaw, pitch, roll) }
        words.text = "%d found, %.1f ms, %s".format(seen.tracks.size, seen.milliseconds, seen.ranOn) + turned.orEmpty()
    }

    override fun onDestroy() {
        camera?.close()
        super.onDestroy()
    }
}
