#!/usr/bin/env bash
# What each kind of variety of the drawn heads is worth (docs/drawn-heads.md): D=FOLDER models/variety.sh CACHE
#
# CACHE is a folder cache/heads-300w-68-... that `train fit heads` drew. Nine small networks learn from equally many
# heads, equally long; all see all kinds but one. D is the folder with lfpw and helen. A finished part is passed over.
set -eu
: "${D:?say where the data are: D=FOLDER $0 CACHE}" "${PY:=.venv/bin/python}"
PY=$(realpath -s "$PY") && cd "$(dirname "$0")/.."
export OMP_NUM_THREADS=1
[ -e cache/variety ] || "$PY" -m train.data.drawn variety "$1" cache/variety
for part in cache/variety/*; do
    name=variety-$(basename "$part")
    [ -e "runs/$name/model.safetensors" ] || "$PY" -m train fit "$part" --layout 300w-68 --recipe small \
        --rotation 35 --hidden 0.6 --absent empty --coordinate-loss 1 --rate 2.5e-3 --warmup 200 \
        --batch 32 --steps 800 --evaluate-every 800 --seed 1 --run "$name"
    made=runs/$name/export/$name-fp32.tflite
    [ -e "$made" ] || "$PY" -m targets "runs/$name" --to tflite --precision fp32
    for data in "$D/lfpw/testset" "$D/helen/trainset"; do
        grep -q "$made.*$data" bench/results/variety.jsonl 2>/dev/null ||
            "$PY" -m bench accuracy --model "$made" --data "$data" --layout 300w-68 --to bench/results/variety.jsonl
    done
done
