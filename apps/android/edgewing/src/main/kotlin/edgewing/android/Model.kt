package edgewing.android

import android.content.Context
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import com.google.ai.edge.litert.LiteRtException
import edgewing.core.Network
import org.tensorflow.lite.Interpreter
import java.io.FileInputStream
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.nio.channels.FileChannel

/** A .tflite file among the app's assets, ready to run: its input, a ByteArray or FloatArray, to its outputs by name. */
class Model private constructor(
    /** What runs it, for people. */
    val ranOn: String,
    private val network: Network,
    private val end: () -> Unit,
) : Network by network, AutoCloseable {
    override fun close() = end()

    companion object {
        /** On that accelerator alone, so that what runs is what was asked for. LiteRtException where it does not start. */
        fun compiled(context: Context, asset: String, accelerator: Accelerator, input: String, outputs: List<String>): Model {
            val model = CompiledModel.create(context.assets, asset, CompiledModel.Options(accelerator))
            val given = model.createInputBuffer(input)
            val made = outputs.associateWith { model.createOutputBuffer(it) }
            val network: Network = { values ->
                if (values is ByteArray) given.writeInt8(values) else given.writeFloat(values as FloatArray)
                model.run(mapOf(input to given), made)
                made.mapValues { it.value.readFloat() }
            }
            return Model("LiteRT, $accelerator", network) {
                (made.values + given).forEach { it.close() }
                model.close()
            }
        }

        /** On the CPU: a CompiledModel, or the Interpreter where that does not start. */
        fun onCpu(context: Context, asset: String, input: String, outputs: List<String>): Model = try {
            compiled(context, asset, Accelerator.CPU, input, outputs)
        } catch (error: LiteRtException) {
            interpreted(context, asset, input, outputs)
        }

        private fun interpreted(context: Context, asset: String, input: String, outputs: List<String>): Model {
            val file = context.assets.openFd(asset).use {
                FileInputStream(it.fileDescriptor).channel.map(FileChannel.MapMode.READ_ONLY, it.startOffset, it.declaredLength)
            }
            val interpreter = Interpreter(file, Interpreter.Options().setNumThreads(2))
            val signature = interpreter.signatureKeys.firstOrNull() // the detector's file has none
            val made = outputs.associateWith { name ->
                val tensor = when (signature) {
                    null -> interpreter.getOutputTensor(interpreter.getOutputIndex(name))
                    else -> interpreter.getOutputTensorFromSignature(name, signature)
                }
                direct(4 * tensor.numElements())
            }
            val network: Network = { values ->
                made.values.forEach { it.rewind() }
                when (signature) {
                    null -> interpreter.runForMultipleInputsOutputs(
                        arrayOf(direct(values)), made.mapKeys { interpreter.getOutputIndex(it.key) },
                    )
                    else -> interpreter.runSignature(mapOf(input to direct(values)), made, signature)
                }
                made.mapValues { floats(it.value) }
            }
            return Model("LiteRT's Interpreter, CPU", network) { interpreter.close() }
        }

        private fun direct(bytes: Int) = ByteBuffer.allocateDirect(bytes).order(ByteOrder.nativeOrder())

        private fun direct(values: Any): ByteBuffer =
            if (values is ByteArray) direct(values.size).apply { put(values).rewind() }
            else (values as FloatArray).let { direct(4 * it.size).apply { asFloatBuffer().put(it) } }

        private fun floats(buffer: ByteBuffer): FloatArray {
            buffer.rewind()
            return FloatArray(buffer.remaining() / 4).also { buffer.asFloatBuffer().get(it) }
        }
    }
}
