#!/usr/bin/env bash
# From a trained run to the files that ship, and to the rows of its card: D=FOLDER models/ship.sh NAME RUN [LAYOUT]
#
# The weights of RUN (of several in quotes: their mean) are rounded to half precision and called NAME; what ships is made of
# those: models/NAME.safetensors.
# ONLY=files or ONLY=rows for one of the two: rows are for a machine that does nothing else. They are written anew: those of
# the model before are of another file, and stay in the history. ONNX= (empty) for a model that ships as TFLite alone.
# REFERENCE is MediaPipe's face_landmark.tflite (docs/peers.md).
set -euo pipefail
cd "$(dirname "$0")/.."
name=$1 run=$2 layout=${3:-300w-68}
: "${D:?say where the data are: D=FOLDER $0}" "${PY:=.venv/bin/python}"
: "${REFERENCE:=cache/mediapipe/modules/face_landmark/face_landmark.tflite}"
rows=bench/results/$name.jsonl

if [ "${ONLY:-files}" = files ]; then
    rm -rf "runs/$name" && mkdir "runs/$name"
    cp -r "${run##* }/faces" "${run##* }/recipe.json" "runs/$name"
    # shellcheck disable=SC2086
    $PY -m train pack $run --out "models/$name.safetensors"
    cp "models/$name.safetensors" "runs/$name/model.safetensors"
    $PY -m compress quantize "runs/$name" --limit 1 --nme 0.5
    $PY -m targets "runs/$name" --to onnx --precision fp32 fp16
    $PY -m targets "runs/$name" --to tflite --precision int8
    # How far points may be off, measured on faces that nobody learnt from: HELEN's are left to prove it. Not of a model that
    # is free: no photograph has a part in its files.
    held_out=("$D/lfpw/trainset" "$D/aflw68-train" --split held-out)
    [ "$layout" = 300w-68 ] || held_out=("$D/wflw" --split held-out=0.1)
    for made in int8.tflite ${ONNX-fp16.onnx}; do
        [[ $name != edgewing-free-* ]] || { cp "runs/$name/export/$name-$made" "edgewing/models/$name.${made#*.}" && continue; }
        $PY -m bench calibrate --model "runs/$name/export/$name-$made" --data "${held_out[@]}" --layout "$layout" \
            --out "edgewing/models/$name.${made#*.}"
    done
fi
[ "${ONLY:-rows}" = rows ] || exit 0

rm -f "$rows"
score() { $PY -m bench accuracy --model "$1" --data "$2" --layout "$layout" "${@:3}" --to "$rows"; }
test=lfpw/testset && [ "$layout" = 300w-68 ] || test=wflw
score "runs/$name/export/$name-fp32.onnx" "$D/$test"
score "$name" "$D/$test"
score "$name" "$D/$test" --jitter 0.08,0.15 --seed 0
[ -z "${ONNX-fp16.onnx}" ] || score "edgewing/models/$name.onnx" "$D/$test"
if [ "$layout" = 300w-68 ]; then
    score "$name" "$D/helen/trainset" --split held-out
    score "$name" "$D/ytf/test"
    score "$name" "$D/wflw"
    score "$name" "$D/aflw68-test"
fi
if [ ! -e runs/teacher/export/teacher-fp32.onnx ]; then # the network that stands in for the truth where nobody marked any
    mkdir -p runs/teacher && cp models/teacher.safetensors runs/teacher/model.safetensors
    $PY -m targets runs/teacher --to onnx --precision fp32 --data "$D/lfpw/testset"
fi
$PY -m bench agreement --model "$name" --teacher runs/teacher --data "$D/utkface" --to "$rows"
$PY -m bench latency --model "$name" --to "$rows"
$PY -m bench latency --model "$name" --threads 2 --to "$rows"
rm -f bench/results/race.jsonl # of all models, in one race
$PY -m bench race edgewing/models/edgewing-*.tflite --reference "$REFERENCE" --to bench/results/race.jsonl
echo "commit $rows and bench/results/race.jsonl, then: python -m bench card edgewing-{xs,s,m,98,free-s,free-m,free-98}"
