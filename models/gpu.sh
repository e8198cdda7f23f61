#!/usr/bin/env bash
# The trainings on a GPU machine that has Python and torch, no network, and little time: models/gpu.sh STAGE OUT
#
#   check      a few steps of everything, and what training costs there (bench training)
#   teacher    models/gpu-teacher.txt in MINUTES
#   students   models/gpu-students.txt: MINUTES a student, LONG for the paper's network, SHORT for 98 points
#
# D has what models/carry.py wrote. OUT gets fp16 weights, and the logs and metrics of every run.
set -u
cd "$(dirname "$0")/.."
stage=$1 OUT=$2
: "${D:=/tmp/data}" "${PY:=python3}" "${PROCESSES:=1}"
: "${MINUTES:=3}" "${LONG:=6}" "${SHORT:=3}" "${TEACHER:=$D/teacher-aflw.safetensors}" "${GHOST:=$D/pfld_ghostone_112.onnx}"
export D PY PROCESSES MINUTES LONG SHORT TEACHER GHOST

queue() {
    LIST=models/gpu-$1.txt models/queue.sh
}

# Weights as a repository keeps them, in files small enough to carry.
bring() {
    local run
    for run in "$@"; do
        [ -e "runs/$run/model.safetensors" ] || continue
        $PY -m train pack "runs/$run" --out "$OUT/$run.safetensors" &
    done
    wait
    tar czf "$OUT/logs.tar.gz" runs/*.log runs/*/metrics.jsonl runs/*/recipe.json runs/*/offsets.json runs/*/*.png
}

case $stage in
check)
    common="--batch 192 --precision bf16 --minutes 0.2 --absent empty --hidden 0.6 --coordinate-loss 1"
    marked="$D/lfpw/trainset $D/helen/trainset"
    $PY -m train fit $marked --recipe teacher --initial "$TEACHER" --input-size 224 --learn-offsets $common --run check-1 &&
        $PY -m compress distill runs/check-1 $marked --unlabelled "$D/wflw" --recipe small $common --run check-2 &&
        $PY -m train fit $marked --recipe paper-300w --batch 32 --precision bf16 --minutes 0.2 --run check-3
    timeout 100 $PY -m bench training --recipes models/edgewing-m.safetensors --batch 256 --steps 8 --to "$OUT/training.jsonl"
    ;;
teacher)
    queue teacher
    tail -n 30 runs/teacher.log
    bring teacher
    ;;
students)
    PROCESSES=10 queue students
    for log in runs/*.log; do echo "== $log" && tail -n 4 "$log"; done
    bring xs s m l 98 teacher-98 paper
    (cd "$OUT" && tar cf students.tar xs.safetensors s.safetensors m.safetensors l.safetensors 98.safetensors && rm -f xs.safetensors s.safetensors m.safetensors l.safetensors 98.safetensors)
    [ -e "$OUT/paper.safetensors" ] && split -b 15M "$OUT/paper.safetensors" "$OUT/paper-part-" && rm "$OUT/paper.safetensors"
    ;;
esac
