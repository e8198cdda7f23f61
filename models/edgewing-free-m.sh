# No data: every face is drawn. D, a folder of photographs, is there to measure with alone.
models/queue.sh                                          # free-m, free-m-2, free-m-3, free-m-4
ONNX= ONLY=files models/ship.sh edgewing-free-m runs/free-m-4
