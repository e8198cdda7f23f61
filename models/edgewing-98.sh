# D: a folder with lfpw, helen, aflw68-train, ytf, utkface and wflw, as in the list of data of the card. The two lists that
# begin with gpu are for a machine with a GPU (models/carry.py makes what is carried there); minutes are theirs, so that no
# two machines give the same weights to the bit. A finished run is passed over, so each line may be typed again.
models/queue.sh                                          # teacher-aflw
TEACHING=2.5 MINUTES=5 PROCESSES=5 LIST=models/gpu-begin.txt models/gpu.sh out    # teacher, s
models/queue.sh                                          # s-2
# GhostOne: https://github.com/AnthonyF333/PFLD_GhostOne (Apache-2.0)
GHOST=pfld_ghostone_112.onnx PROCESSES=7 LIST=models/gpu-go-on.txt models/gpu.sh out    # teacher-98, 98, s-on
models/queue.sh                                          # 98-3, s-3, s-4, 98-4, 98-6, 98-7
ONLY=files models/ship.sh edgewing-98 "runs/98-4 runs/98-6 runs/98-7" wflw-98
