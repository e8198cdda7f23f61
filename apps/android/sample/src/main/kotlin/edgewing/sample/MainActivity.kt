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

/** Asks for the camera, follows the faces in it, and says what runs and how long a frame takes. */
class MainActivity : ComponentActivity() {
    private lateinit var overlay: OverlayView
    private lateinit var words: TextView
    private var camera: FaceCamera? = null
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
            FaceTracker(context, Accelerator.GPU).also { runOnUiThread { overlay.edges = it.contract.edges } }
        }
        camera = FaceCamera(this, open, ::show) { words.text = "edgewing: ${it.message}" }.also { it.start(this) }
    }

    private fun show(seen: Seen) {
        overlay.show(seen)
        words.text = "%d found, %.1f ms, %s".format(seen.tracks.size, seen.milliseconds, seen.ranOn)
    }

    override fun onDestroy() {
        camera?.close()
        super.onDestroy()
    }
}
