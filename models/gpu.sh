#!/usr/bin/env bash
# A list of trainings on a machine with a GPU, Python and torch, no network, and ten minutes:
# LIST=models/gpu-go-on.txt D=FOLDER models/gpu.sh OUT
#
# D has what carry.py wrote. The minutes that a list asks for stand in its first line. OUT gets fp16 weights, and the logs
# and metrics of every run.
set -u
cd "$(dirname "$0")/.."
OUT=$1
: "${D:?say where the data are: D=FOLDER $0}" "${TEACHER:=runs/teacher-aflw}" "${PY:=python3}"
: "${TEACHING:=2.5}" "${MINUTES:=5}" "${SHORT:=5}" "${PROCESSES:=5}" "${GHOST:=$D/pfld_ghostone_112.onnx}" "${LIST:=models/gpu-go-on.txt}"
MARKED="$D/lfpw/trainset $D/helen/trainset $D/aflw68-train"
COMMON="--lateral 0.0036 --coordinate-loss 1 --absent empty --hidden 0.6 --precision bf16 --weights lfpw/trainset=5 helen/trainset=5"
export D TEACHER PY TEACHING MINUTES SHORT PROCESSES GHOST LIST MARKED COMMON

models/queue.sh
for run in $(sed -n '/^#/d; s/ .*::.*//p' "$LIST"); do
    [[ $run == cut-* ]] || { [ -e "runs/$run/model.safetensors" ] && $PY -m train pack "runs/$run" --out "$OUT/$run.safetensors"; } &
done
wait
tar czf "$OUT/logs.tar.gz" runs/*.log runs/*/metrics.jsonl runs/*/recipe.json runs/*/offsets.json runs/*/curves.png
for log in runs/*.log; do echo "== $log" && tail -n 3 "$log"; done
