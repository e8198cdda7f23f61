#!/usr/bin/env bash
# A teacher and its students (gpu.txt) on a machine with a GPU, Python and torch, no network, and ten minutes:
# D=FOLDER models/gpu.sh OUT
#
# D has what carry.py wrote, TEACHER the weights that the teacher starts from. The teacher gets TEACHING minutes, each
# student MINUTES, all of them together. OUT gets fp16 weights, and the logs and metrics of every run.
set -u
cd "$(dirname "$0")/.."
OUT=$1
: "${D:?say where the data are: D=FOLDER $0}" "${TEACHER:=runs/teacher-aflw}" "${PY:=python3}"
: "${TEACHING:=2.6}" "${MINUTES:=5.2}" "${PROCESSES:=4}"
MARKED="$D/lfpw/trainset $D/helen/trainset $D/aflw68-train"
COMMON="--lateral 0.0036 --weights lfpw/trainset=5 helen/trainset=5 --coordinate-loss 1 --absent empty --hidden 0.6 --precision bf16"
export D TEACHER PY TEACHING MINUTES PROCESSES MARKED COMMON

LIST=models/gpu.txt models/queue.sh &
queue=$!
# The students' faces are cut out while the teacher learns: the processors have nothing else to do.
for size in 160 128 192 112; do
    CUDA_VISIBLE_DEVICES='' $PY -m train fit $MARKED --recipe small --input-size $size --batch 2 --steps 1 --run cut-$size \
        >runs/cut-$size.log 2>&1
done
wait $queue
for run in teacher xs s m l; do
    [ -e runs/$run/model.safetensors ] && $PY -m train pack runs/$run --out "$OUT/$run.safetensors" &
done
wait
tar czf "$OUT/logs.tar.gz" runs/*.log runs/*/metrics.jsonl runs/*/recipe.json runs/*/offsets.json runs/*/curves.png
for log in runs/*.log; do echo "== $log" && tail -n 3 "$log"; done
