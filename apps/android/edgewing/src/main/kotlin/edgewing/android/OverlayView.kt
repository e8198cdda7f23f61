package edgewing.android

import android.content.Context
import android.graphics.Canvas
import android.graphics.Color
import android.graphics.Matrix
import android.graphics.Paint
import android.util.AttributeSet
import android.view.View
import edgewing.core.Track
import kotlin.math.min

/** The frame that was looked at, not a preview that has gone on, with its points and the lines between them. */
class OverlayView(context: Context, attributes: AttributeSet? = null) : View(context, attributes) {
    /** Pairs of points, of the contract. */
    var edges: List<List<Int>> = emptyList()
    private var seen: Seen? = null
    private val picture = Paint(Paint.FILTER_BITMAP_FLAG)
    private val line = Paint(Paint.ANTI_ALIAS_FLAG).apply { color = Color.argb(160, 255, 255, 255) }
    private val point = Paint(Paint.ANTI_ALIAS_FLAG).apply { color = Color.GREEN }

    /** On the main thread. */
    fun show(seen: Seen) {
        this.seen = seen
        invalidate()
    }

    override fun onDraw(canvas: Canvas) {
        super.onDraw(canvas)
        val seen = seen ?: return
        val frame = seen.frame
        val scale = min(width / frame.width.toFloat(), height / frame.height.toFloat())
        canvas.concat(Matrix().apply {
            if (seen.mirrored) setScale(-1f, 1f, frame.width / 2f, 0f)
            postScale(scale, scale)
            postTranslate((width - scale * frame.width) / 2, (height - scale * frame.height) / 2)
        })
        canvas.drawBitmap(frame, 0f, 0f, picture)
        canvas.translate(0.5f, 0.5f) // a canvas counts from the edge of the first pixel, landmarks from its centre
        seen.tracks.forEach { draw(canvas, it) }
    }

    private fun draw(canvas: Canvas, track: Track) {
        val (points, there) = track.landmarks to track.face.there
        val size = track.face.landmarkBox.size.toFloat()
        line.strokeWidth = size / 150
        for ((a, b) in edges) {
            if (!there[a] || !there[b]) continue
            canvas.drawLine(points[2 * a], points[2 * a + 1], points[2 * b], points[2 * b + 1], line)
        }
        for (n in there.indices) if (there[n]) canvas.drawCircle(points[2 * n], points[2 * n + 1], size / 80, point)
    }
}
