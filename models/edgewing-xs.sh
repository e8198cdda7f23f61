# D: a folder with lfpw, helen, aflw68-train, ytf, utkface and wflw, as in the list of data of the card. The two lists that
# begin with gpu are for a machine with a GPU (models/carry.py makes what is carried there); minutes are theirs, so that no
# two machines give the same weights to the bit. A finished run is passed over, so each line may be typed again.
models/queue.sh                                          # teacher-aflw
TEACHING=2.5 MINUTES=5 PROCESSES=5 LIST=models/gpu-begin.txt models/gpu.sh out    # teacher, xs
PROCESSES=7 LIST=models/gpu-go-on.txt models/gpu.sh out                           # xs-on
models/queue.sh                                          # xs-3 to xs-7
ONLY=files models/ship.sh edgewing-xs runs/xs-7
