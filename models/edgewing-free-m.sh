# No data: every face is drawn. free-m-6 is the first that learnt from heads as today's code draws them (version 6).
# D, a folder of photographs, is there to measure with alone.
models/queue.sh                                          # free-m, free-m-2, ..., free-m-7
ONNX= ONLY=files models/ship.sh edgewing-free-m runs/free-m-7
