# No data: every face is drawn. The list that begins with gpu is for a machine with a GPU; minutes are its own, so that no two
# machines give the same weights to the bit. D, a folder of photographs, is there to measure with alone.
PROCESSES=7 LIST=models/gpu-go-on.txt models/gpu.sh out                           # free-s
models/queue.sh                                          # free-s-2, free-98, free-98-2, free-98-3
ONLY=files models/ship.sh edgewing-free-98 runs/free-98-3 wflw-98
