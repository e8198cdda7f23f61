#!/usr/bin/env bash
# What each kind of augmentation is worth to a training on drawn heads (docs/drawn-heads.md): D=FOLDER models/augmentation.sh
#
# Seven small networks learn from the same heads, equally long, one with everything that `train fit` does to a picture and
# six that leave something out. D is the folder with lfpw and helen. A finished part is passed over.
set -eu
: "${D:?say where the data are: D=FOLDER $0}" "${PY:=.venv/bin/python}"
PY=$(realpath -s "$PY") && cd "$(dirname "$0")/.."
export OMP_NUM_THREADS=1
rows=bench/results/augmentation.jsonl
while read -r part options; do
    name=augmentation-$part made=runs/augmentation-$part/export/augmentation-$part-fp32.tflite
    # shellcheck disable=SC2086  # options are words
    [ -e "runs/$name/model.safetensors" ] || "$PY" -m train fit heads --drawn 16000 --layout 300w-68 --recipe small \
        --hidden 0.6 --absent empty --coordinate-loss 1 --rate 2.5e-3 --warmup 200 \
        --batch 32 --steps 800 --evaluate-every 800 --seed 2 --run "$name" $options
    [ -e "$made" ] || "$PY" -m targets "runs/$name" --to tflite --precision fp32
    for data in "$D/lfpw/testset" "$D/helen/trainset"; do
        grep -q "$made.*$data" "$rows" 2>/dev/null ||
            "$PY" -m bench accuracy --model "$made" --data "$data" --layout 300w-68 --to "$rows"
    done
done <<'PARTS'
all
no-turns --rotation 0
no-boxes --scale 0 --shift 0
no-covers --occlusion 0
no-light --light 0 --grey 0
no-blur --blur 0 --low-resolution 0
no-noise --noise 0
PARTS
