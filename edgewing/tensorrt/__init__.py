"""What TensorRT needs: the builders that make an engine, the header it lies behind, the chip it was made for."""
