"""edgewing: face landmarks on the edge. numpy and OpenCV; never torch."""

__version__ = "0.1.0"
