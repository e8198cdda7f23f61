# No data: every face is drawn. The heads changed on the way: free-m-6 and -7 saw version 6 of them, -8 and -9 version 7.
# D, a folder of photographs, is there to measure with alone.
models/queue.sh                                          # free-m, free-m-2, ..., free-m-9
ONNX= ONLY=files models/ship.sh edgewing-free-m runs/free-m-9
